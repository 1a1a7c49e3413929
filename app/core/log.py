"""Structured logs: one JSON object a line, with request and correlation ids and no personal data."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from . import context

_FORBIDDEN = {"phone", "mobile", "session_key", "secret", "access_token", "password", "token", "code"}


def _ids(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (correlation := context.current()) is not None:
        entry.setdefault("correlation_id", correlation)
    return entry


def _no_personal_data(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in _FORBIDDEN & entry.keys():
        entry[key] = "***"
    return entry


def configure(level: str) -> None:
    """Set up structlog and send the standard library's loggers through the same line format."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _no_personal_data,
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("urllib3", "rq.worker", "rq.queue", "httpx"):
        logging.getLogger(noisy).setLevel("WARNING")


def get(name: str) -> Any:
    return structlog.get_logger(name)
