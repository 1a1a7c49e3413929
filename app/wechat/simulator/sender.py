"""Sends callbacks as Tencent does: sealed, 5 seconds to answer, up to three tries, each sealed anew.

Options (see `Options`) make delivery worse on purpose: duplicates, disorder, loss, delay.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import requests
import structlog

from app.wechat.callbacks import CallbackKeys, seal
from app.wechat.cipher import signature
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.pay import PREFIX as PAY
from app.wechat.simulator.engine.rows import Target
from app.wechat.simulator.errors import ControlError

log = structlog.get_logger(__name__)
TIMEOUT = 5.0
TRIES = 3


@dataclass
class Options:
    """How badly callbacks travel.

    duplicates: deliveries of each event (1 = once). drop: share of events never sent. delay: seconds before the first
    try. shuffle: seconds within which events overtake each other at random. retry_after: seconds between tries.
    """

    duplicates: int = 1
    drop: float = 0.0
    delay: float = 0.0
    shuffle: float = 0.0
    retry_after: float = 1.0
    paused: bool = False


@dataclass
class Delivery:
    id: int
    receiver: str
    event: str
    fields: dict[str, Any]
    queued: float  # monotonic
    tries: int = 0
    outcome: str = "queued"  # queued | ok | failed | dropped
    status: int | None = None
    latency_ms: float | None = None  # of the last try


class Sender:
    def __init__(self, engine: Engine, *, threads: int = 16) -> None:
        self.engine = engine
        self.options = Options()
        self.deliveries: deque[Delivery] = deque(maxlen=20_000)
        self.counts: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=20_000)
        self._due: list[tuple[float, int, Delivery]] = []
        self._order = itertools.count(1)
        self._wake = threading.Condition()
        self._busy = 0
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, name=f"callback-{n}", daemon=True) for n in range(threads)]
        engine.world.on_event = self.submit

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def set_options(self, values: dict[str, Any]) -> Options:
        unknown = set(values) - {f.name for f in dataclasses.fields(Options)}
        if unknown:
            raise ControlError(f"unknown options: {', '.join(sorted(unknown))}")
        with self._wake:
            self.options = dataclasses.replace(self.options, **values)
            self._wake.notify_all()
        return self.options

    def submit(self, receiver: str, fields: dict[str, Any]) -> None:
        """Queue one event for its receiver. Without a target it is only written down."""
        options, chance = self.options, self.engine.world.random
        name = fields.get("ChangeType") or fields["Event"]
        for _ in range(max(1, options.duplicates)):
            delivery = Delivery(next(self._order), receiver, name, fields, time.monotonic())
            self.deliveries.append(delivery)
            if not self._known(receiver) or chance.random() < options.drop:
                self._finish(delivery, "dropped")
                continue
            wait = options.delay + (chance.random() * options.shuffle if options.shuffle else 0.0)
            self._push(delivery, wait)

    def idle(self) -> bool:
        with self._wake:
            return not self._due and not self._busy

    def wait(self, seconds: float) -> bool:
        """Until everything queued was delivered or given up; False when that takes longer."""
        end = time.monotonic() + seconds
        while not self.idle():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def summary(self) -> dict[str, Any]:
        latencies = sorted(self._latencies)

        def at(share: float) -> float | None:
            return round(latencies[min(len(latencies) - 1, int(share * len(latencies)))], 1) if latencies else None

        with self._wake:
            waiting = len(self._due) + self._busy
        return {
            "counts": dict(self.counts),
            "waiting": waiting,
            "latency_ms": {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)},
        }

    def clear(self) -> None:
        with self._wake:
            self._due.clear()
            self.deliveries.clear()
            self.counts.clear()
            self._latencies.clear()

    # --- inside ------------------------------------------------------------------------------------------------

    def _push(self, delivery: Delivery, wait: float) -> None:
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + wait, next(self._order), delivery))
            self._wake.notify()

    def _work(self) -> None:
        session = requests.Session()
        session.trust_env = False  # a proxy of the machine must not carry these
        while True:
            with self._wake:
                while not self._stopping and not (
                    self._due and not self.options.paused and self._due[0][0] <= time.monotonic()
                ):
                    pause = max(0.001, self._due[0][0] - time.monotonic()) if self._due else None
                    self._wake.wait(None if self.options.paused else pause)
                if self._stopping:
                    return
                _, _, delivery = heapq.heappop(self._due)
                self._busy += 1
            try:
                self._try(session, delivery)
            except Exception:  # one broken target must not end the thread
                log.exception("simulator_callback_failed")
                self._finish(delivery, "failed")
            finally:
                with self._wake:
                    self._busy -= 1

    def _try(self, session: requests.Session, delivery: Delivery) -> None:
        made = self._envelope(delivery)
        if made is None:
            return self._finish(delivery, "dropped")
        url, body, headers, query = made
        delivery.tries += 1
        started = time.perf_counter()
        try:
            answer = session.post(url, params=query, data=body, headers=headers, timeout=TIMEOUT)
            delivery.status, ok = answer.status_code, answer.status_code in (200, 204)
        except requests.RequestException:
            delivery.status, ok = None, False
        delivery.latency_ms = round((time.perf_counter() - started) * 1000, 2)
        if ok:
            self._latencies.append(delivery.latency_ms)
            return self._finish(delivery, "ok")
        if delivery.tries < TRIES:
            self._push(delivery, self.options.retry_after)
            return None
        return self._finish(delivery, "failed")

    def _known(self, receiver: str) -> bool:
        return receiver.startswith(PAY) or receiver in self.engine.world.targets

    def _envelope(self, delivery: Delivery) -> tuple[str, bytes, dict[str, str], dict[str, str]] | None:
        """One delivery as it is sent, sealed anew; None without an address."""
        world = self.engine.world
        if delivery.receiver.startswith(PAY):
            url, body, headers = self.engine.pay.envelope(delivery.fields)
            return (url, body, headers, {}) if url else None
        target = world.targets.get(delivery.receiver)
        if target is None:
            return None
        return envelope(target, delivery.fields, mini=delivery.receiver in world.minis)

    def _finish(self, delivery: Delivery, outcome: str) -> None:
        delivery.outcome = outcome
        with self._wake:
            self.counts[outcome] += 1
        self.engine.journal.write(
            "callback",
            self.engine.now(),
            name=delivery.event,
            outcome=outcome,
            receiver=delivery.receiver,
            status=delivery.status,
            tries=delivery.tries,
            ms=delivery.latency_ms,
            user=delivery.fields.get("UserID"),
            contact=delivery.fields.get("ExternalUserID"),
        )


def envelope(
    target: Target, fields: dict[str, Any], *, mini: bool = False
) -> tuple[str, bytes, dict[str, str], dict[str, str]]:
    """URL, body, headers and query of one sealed callback; every call uses a new nonce and random prefix.

    A mini-program's query has the plain signature and `encrypt_type` beside WeCom's three names.
    """
    as_json = target.format == "json"
    named = {"ToUserName": target.receiver, **fields}
    plaintext = json.dumps(unwrapped(named), ensure_ascii=False) if as_json else to_xml(named)
    sealed = seal(plaintext, keys=CallbackKeys(token=target.token, aes_key=target.aes_key, receiver=target.receiver))
    agent = "" if target.agent_id is None else target.agent_id
    body = sealed.callback_json(agent) if as_json else sealed.callback_xml(agent)
    headers = {"Content-Type": "application/json" if as_json else "text/xml"}
    query = dict(sealed.query)
    if mini:
        query |= {"signature": signature(target.token, sealed.timestamp, sealed.nonce), "encrypt_type": "aes"}
    return target.url, body.encode(), headers, query


def unwrapped(fields: dict[str, Any]) -> dict[str, Any]:
    """The JSON form of a mini-program event has `List` at the top, the XML form inside a wrapper."""
    nested = [v for v in fields.values() if isinstance(v, dict) and set(v) == {"List"}]
    if not nested:
        return fields
    return {k: v for k, v in fields.items() if v is not nested[0]} | nested[0]


def to_xml(fields: dict[str, Any]) -> str:
    return "<xml>" + "".join(_element(name, value) for name, value in fields.items()) + "</xml>"


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>" + "".join(_element(k, v) for k, v in value.items()) + f"</{name}>"
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    return f"<{name}><![CDATA[{str(value).replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"
