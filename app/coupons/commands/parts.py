"""What the commands share: doing something once under an idempotency key, the outbox row and a coupon's event.

`key`, `outbox` and `event` are members of a CTE. Each reads `source`, the member that made the change, so that nothing
is written unless the change was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import insert

from app.core import clock, context, hot, ids
from app.core.db import session
from app.core.errors import Busy, SiyuError
from app.core.events import Event
from app.core.idempotency import IdempotencyKeyReused

from ..models import CouponEvent

T = TypeVar("T")


class Key(NamedTuple):
    """A caller's idempotency key: its scope, the key, and the digest of what is asked for."""

    scope: str
    key: str
    digest: bytes


def key(source: str) -> str:
    # No ON CONFLICT: a key used at the same moment breaks the whole statement, and with it the change.
    return f"""
INSERT INTO idempotency_key (scope, key, request_hash, answer, correlation_id, created_at)
SELECT %(key_scope)s, %(key)s, %(key_digest)s::bytea, %(answer)s::jsonb, %(correlation_id)s, %(now)s::timestamptz
FROM {source}"""


KEY_IS_NEW = "NOT EXISTS (SELECT FROM idempotency_key WHERE scope = %(key_scope)s AND key = %(key)s)"

_PROMISED = "SELECT request_hash, answer FROM idempotency_key WHERE scope = %(scope)s AND key = %(key)s"


def once(used: Key, attempt: Callable[[], T | None], read: Callable[[dict[str, Any]], T], *, tries: int) -> T:
    """What `attempt` answers, or what was answered under this key before, as `read` makes it of the stored answer.

    All on one hot connection. An attempt that answers None was overtaken and is made again; Busy after `tries`.
    """
    with hot.held():
        for _ in range(tries):
            try:
                done = attempt()
            except SiyuError:
                # A retry of a request that was served: what it asks for may be gone now, by this very key.
                if (stored := _promised(used)) is not None:
                    return read(stored)
                raise
            if done is not None:
                return done
            if (stored := _promised(used)) is not None:
                return read(stored)
    raise Busy(retry_after=1)


def _promised(used: Key) -> dict[str, Any] | None:
    """What was answered under this key, if anything; IdempotencyKeyReused when that was for another body."""
    row = hot.fetch_one(_PROMISED, {"scope": used.scope, "key": used.key})
    if row is None:
        return None
    return answered(used, row[0], row[1])


def answered(used: Key, digest: bytes, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer that stands under a key; IdempotencyKeyReused when it was given to another body."""
    if bytes(digest) != used.digest:
        raise IdempotencyKeyReused()
    return dict(answer)


def outbox(source: str) -> str:
    return f"""
INSERT INTO outbox (id, name, payload, brand_id, member_id, correlation_id, created_at)
SELECT %(outbox_id)s::bigint, %(event_name)s, %(payload)s::jsonb, %(brand_id)s::bigint, %(member_id)s::bigint,
       %(correlation_id)s, %(now)s::timestamptz
FROM {source}"""


def event(source: str) -> str:
    return f"""
INSERT INTO coupon_event
    (brand_id, member_id, coupon_id, event_id, from_status, to_status, cause, order_no, store_id, at, correlation_id)
SELECT brand_id, member_id, coupon_id, %(event_id)s::bigint, %(from_status)s, %(to_status)s, %(cause)s,
       %(order_no)s, %(store_id)s::bigint, %(now)s::timestamptz, %(correlation_id)s
FROM {source}"""


def common(told: Event, now: datetime) -> dict[str, Any]:
    """The parameters of the parts that every change has: the event it tells, ids for its rows, the journey."""
    outbox_id, event_id = ids.new_ids(2)
    return {
        "brand_id": told.brand_id,
        "member_id": told.member_id,
        "outbox_id": outbox_id,
        "event_id": event_id,
        "event_name": told.name,
        "payload": json.dumps(told.payload()),
        "correlation_id": context.correlation_id(),
        "now": now,
    }


def note(
    changed: Sequence[tuple[int, int, int, str]],
    *,
    to: str,
    cause: str,
    order_no: str | None = None,
    store_id: int | None = None,
) -> None:
    """Write the events of coupons that were changed in the open transaction: (brand, member, coupon, status before)."""
    moment, correlation_id = clock.now(), context.correlation_id()
    session.execute(
        insert(CouponEvent),
        [
            {
                "brand_id": brand_id,
                "member_id": member_id,
                "coupon_id": coupon_id,
                "event_id": event_id,
                "from_status": was,
                "to_status": to,
                "cause": cause,
                "order_no": order_no,
                "store_id": store_id,
                "at": moment,
                "correlation_id": correlation_id,
            }
            for (brand_id, member_id, coupon_id, was), event_id in zip(changed, ids.new_ids(len(changed)), strict=True)
        ],
    )
