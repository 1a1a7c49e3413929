"""Prometheus metrics of the process. Labels are names of ours, never ids or personal data."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram("siyu_http_seconds", "HTTP answers by endpoint and status class", ["endpoint", "status"])
WORK = Counter("siyu_work_total", "Handled rows of work by table, handler and outcome", ["table", "handler", "outcome"])
CALLBACKS = Counter("siyu_callbacks_total", "Callbacks by kind and whether one is handled", ["kind", "outcome"])
WORK_WAITING = Gauge("siyu_work_waiting", "Rows of work by table and status", ["table", "status"])
SYNC_DRIFT = Gauge("siyu_sync_drift", "Differences the newest full reconciliation found", ["thing", "change"])
INVARIANT_BREACHES = Gauge("siyu_invariant_breaches", "Rows returned by an invariant statement", ["invariant"])
