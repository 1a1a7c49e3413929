"""Taking what names somebody out of messages, events and answers that are kept: nothing tells of them afterwards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select, update

from . import clock
from .db import session
from .idempotency import IdempotencyKey
from .inbox import Inbox
from .outbox import Delivery, Outbox

GONE = "erased"
CHUNK = 50_000
# What an event's fields may hold that names a human; every other text of an event is a code, a time or an id of ours.
# `key` is what WeCom or WeChat is to be asked about.
PERSONAL = ("external_userid", "openid", "unionid", "key", "welcome_code", "state", "scene")
_WAITING = ("due", "queued", "waiting", "dead")
_QUIET = {"synchronize_session": False}


def events(*, brand_id: int, member_ids: Sequence[int], person_ids: Sequence[int]) -> int:
    """Blank what names somebody in a brand's events of a member and person; what waits because of them is done.

    Returns how many events that were.
    """
    theirs = or_(Outbox.member_id.in_(member_ids), Outbox.person_id.in_(person_ids))
    return _blank(and_(Outbox.brand_id.in_((brand_id, 0)), theirs))


def nameless(values: Collection[str], *, after: int, limit: int = CHUNK) -> tuple[int, int | None]:
    """As `messages`, for events that name nobody of ours but hold one of these values: they were told of an id before
    anybody knew whose it is."""
    rows = select(Outbox.id).where(Outbox.id > after).order_by(Outbox.id).limit(limit).subquery()
    seen, upto = session.execute(select(func.count(), func.max(rows.c.id))).one()
    if not seen or not values:
        return 0, None
    holds = or_(*(Outbox.payload[name].astext.in_(values) for name in PERSONAL))
    within = and_(Outbox.id > after, Outbox.id <= upto)
    blanked = _blank(and_(within, Outbox.member_id.is_(None), Outbox.person_id.is_(None), holds))
    return blanked, upto if seen == limit else None


def _blank(which: ColumnElement[bool]) -> int:
    rows = session.execute(select(Outbox.id, Outbox.payload, Outbox.fanned_out_at).where(which)).all()
    moment = clock.now()
    for row in rows:
        named = {key: GONE for key in PERSONAL if row.payload.get(key)}
        if named or row.fanned_out_at is None:
            session.execute(
                update(Outbox)
                .where(Outbox.id == row.id)
                .values(payload={**row.payload, **named}, fanned_out_at=row.fanned_out_at or moment),
                execution_options=_QUIET,
            )
    session.execute(
        update(Delivery)
        .where(Delivery.outbox_id.in_([row.id for row in rows]), Delivery.status.in_(_WAITING))
        .values(status="done", done_at=moment, lease_until=None, last_error=None, waits_for=None),
        execution_options=_QUIET,
    )
    return len(rows)


def messages(values: Collection[str], *, after: int, limit: int = CHUNK) -> tuple[int, int | None]:
    """Blank one chunk of the inbox after a row where a message holds one of these values (ids of Tencent's).

    A message about them has nothing left to do. One that names them among others (the members of a group) is still
    worked on if it waits, without them. Returns how many were blanked, and after which row to go on (None: all done).
    """
    rows = select(Inbox.id).where(Inbox.id > after).order_by(Inbox.id).limit(limit).subquery()
    seen, upto = session.execute(select(func.count(), func.max(rows.c.id))).one()
    if not seen or not values:
        return 0, None
    as_text = cast(Inbox.payload, Text)
    named = session.execute(
        select(Inbox.id, Inbox.payload, Inbox.status)
        # A first sieve (an underscore is any character to LIKE); what is really theirs is looked at below.
        .where(Inbox.id > after, Inbox.id <= upto, or_(*(as_text.like(f'%"{value}"%') for value in values)))
        .with_for_update()
    ).all()
    moment, blanked = clock.now(), 0
    for row in named:
        payload = _without(row.payload, values)
        if payload == row.payload:
            continue
        about = any(value in values for value in row.payload.values() if isinstance(value, str))
        facts: dict[str, Any] = {"payload": {GONE: True} if about else payload}
        if about and row.status in _WAITING:
            facts |= {"status": "done", "done_at": moment, "lease_until": None, "last_error": None}
        session.execute(update(Inbox).where(Inbox.id == row.id).values(**facts), execution_options=_QUIET)
        blanked += 1
    return blanked, upto if seen == limit else None


def answers(field: str, values: Collection[str]) -> int:
    """Blank numbers (of cards, of mall accounts) in the answers that tills and malls may ask for again; returns how
    many answers held one as this field."""
    if not values:
        return 0
    rows = session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.scope.like("pos:%"), IdempotencyKey.answer[field].astext.in_(values))
        .values(answer=IdempotencyKey.answer.concat({field: GONE}))
        .returning(IdempotencyKey.key),
        execution_options=_QUIET,
    ).all()
    return len(rows)


def _without(body: Any, values: Collection[str]) -> Any:
    if isinstance(body, dict):
        return {key: _without(value, values) for key, value in body.items()}
    if isinstance(body, list):
        return [_without(value, values) for value in body]
    return GONE if isinstance(body, str) and body in values else body
