"""Raise flags and decide about them; change rules; tell that a limit was met."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, hot, ids
from app.core.db import session
from app.identity.rules import mobile

from . import queries
from .errors import FlagDecided, RuleUnknown
from .events import LimitHit
from .models import Flag, FraudRule, GuidePhone
from .rules import WATCHED

ERASED = "会员已注销"
_TELL = """
INSERT INTO outbox (id, name, payload, brand_id, member_id, correlation_id, created_at)
VALUES (%(id)s::bigint, %(name)s, %(payload)s::jsonb, %(brand_id)s::bigint, %(member_id)s::bigint, %(correlation_id)s,
        %(now)s::timestamptz)
RETURNING id
"""


def tell_limit(event: LimitHit) -> None:
    """Tell the worker that a limit was met. Autocommitted on the hot pool: the request itself is being refused."""
    hot.fetch_one(
        _TELL,
        {
            "id": ids.new_id(),
            "name": event.name,
            "payload": json.dumps(event.payload()),
            "brand_id": event.brand_id,
            "member_id": event.member_id,
            "correlation_id": context.correlation_id(),
            "now": clock.now(),
        },
    )


def flag(
    *,
    brand_id: int,
    rule: str,
    subject: str,
    window_from: datetime,
    count: int,
    evidence: dict[str, Any],
    member_id: int | None = None,
    store_id: int | None = None,
    guide_id: int | None = None,
) -> None:
    """Raise a flag, once per (rule, subject, window); while it is open, more of the same makes its count grow."""
    grown = {"count": count, "evidence": evidence}
    session.execute(
        insert(Flag)
        .values(
            brand_id=brand_id,
            subject=subject,
            rule=rule,
            window_from=window_from,
            flag_id=ids.new_id(),
            member_id=member_id,
            store_id=store_id,
            guide_id=guide_id,
            status="open",
            created_at=clock.now(),
            correlation_id=context.correlation_id(),
            **grown,
        )
        .on_conflict_do_update(
            index_elements=["brand_id", "subject", "rule", "window_from"],
            set_=grown,
            where=(Flag.status == "open") & (Flag.count < count),
        )
    )


def decide(*, brand_id: int, flag_id: int, status: str, words: str, by: str) -> None:
    """Clear or confirm an open flag, once; FlagUnknown, FlagDecided."""
    changed = session.execute(
        update(Flag)
        .where(Flag.brand_id == brand_id, Flag.flag_id == flag_id, Flag.status == "open")
        .values(status=status, words=words, decided_by=by, decided_at=clock.now())
        .returning(Flag.flag_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if changed is None:
        queries.flag(brand_id, flag_id)
        raise FlagDecided()


def set_rule(*, brand_id: int, kind: str, threshold: int, window_seconds: int, active: bool, by: str) -> None:
    """Change a watched rule of a brand; RuleUnknown. Flags that were raised stay."""
    if kind not in WATCHED:
        raise RuleUnknown()
    values = {
        "threshold": threshold,
        "window_seconds": window_seconds,
        "active": active,
        "changed_by": by,
        "changed_at": clock.now(),
        "correlation_id": context.correlation_id(),
    }
    session.execute(
        insert(FraudRule)
        .values(brand_id=brand_id, kind=kind, **values)
        .on_conflict_do_update(index_elements=["brand_id", "kind"], set_=values)
    )


def tell_guide_phone(*, brand_id: int, guide_id: int, phone: str, by: str) -> None:
    """Note a guide's own number, so that a member who has it is known to be the guide; PhoneInvalid for no number.

    A guide has one: it takes the place of the last one, and a number that was another guide's is theirs now.
    """
    number = mobile(phone)
    forget_guide_phone(brand_id=brand_id, guide_id=guide_id)
    values = {
        "guide_id": guide_id,
        "phone_tail": number.value[-4:],
        "told_by": by,
        "told_at": clock.now(),
        "correlation_id": context.correlation_id(),
    }
    session.execute(
        insert(GuidePhone)
        .values(brand_id=brand_id, phone_index=number.key[2], **values)
        .on_conflict_do_update(index_elements=["brand_id", "phone_index"], set_=values)
    )


def forget_guide_phone(*, brand_id: int, guide_id: int) -> None:
    """Forget a guide's own number."""
    session.execute(
        delete(GuidePhone).where(GuidePhone.brand_id == brand_id, GuidePhone.guide_id == guide_id),
        execution_options={"synchronize_session": False},
    )


def forget(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """Blank what flags say of members who are erased; open ones are closed, that there was one stays."""
    mine = (Flag.brand_id == brand_id, Flag.member_id.in_(member_ids))
    quiet = {"synchronize_session": False}
    session.execute(
        update(Flag)
        .where(*mine, Flag.status == "open")
        .values(status="cleared", words=ERASED, decided_by="system", decided_at=clock.now()),
        execution_options=quiet,
    )
    session.execute(update(Flag).where(*mine).values(evidence={}, words=ERASED), execution_options=quiet)
