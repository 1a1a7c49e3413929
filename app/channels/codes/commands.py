"""Writes of channel codes. What people ask for is written at once; telling WeCom is an effect of its own.

`begin` .. `settle` | `refuse` | `release` frame one conversation with WeCom about one code. A creation that was begun
and never settled leaves `reserved_at` behind: whoever comes next looks for the code at WeCom before asking again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids
from app.core.db import session
from app.core.errors import Busy
from app.core.outbox import emit

from . import rules
from .errors import CodeRetired, CodeUnknown, StateTaken
from .events import CodeChanged
from .models import ChannelCode

BUSY = timedelta(seconds=60)  # longer than one conversation takes
ASK_AGAIN = timedelta(hours=1)
CHUNK = 500

Action = Literal["create", "update", "delete"]


class Begun(NamedTuple):
    """`again`: a creation was tried before and may have succeeded since `reserved_at`."""

    code: ChannelCode
    action: Action
    again: bool


def create_code(
    *,
    brand_id: int,
    name: str,
    state: str | None = None,
    kind: str = "contact_way",
    purpose: str = "",
    store_id: int | None = None,
    guide_id: int | None = None,
    users: Sequence[str] = (),
    skip_verify: bool = True,
    tag_ids: Sequence[str] = (),
    welcome_material_id: int | None = None,
    page: str = "",
    valid_until: datetime | None = None,
    created_by: str = "",
) -> ChannelCode:
    """Ask for a code; with `users` it is created at WeCom soon after. StateTaken when the state is another code's.

    Without users nothing is created outside: a contact way that exists in WeCom already is noted, a mini-program code
    needs nothing but its scene.
    """
    outside = kind in rules.OUTSIDE_KINDS and bool(users)
    state = state or rules.new_state()
    if outside or kind not in rules.OUTSIDE_KINDS:
        rules.check(kind=kind, name=name, users=users, state=state, tag_ids=tag_ids, page=page)
    row = session.scalars(
        insert(ChannelCode)
        .values(
            id=ids.new_id(),
            brand_id=brand_id,
            kind=kind,
            name=name,
            purpose=purpose,
            state=state,
            store_id=store_id,
            guide_id=guide_id,
            users=list(users),
            skip_verify=skip_verify,
            tag_ids=list(tag_ids),
            welcome_material_id=welcome_material_id,
            page=page,
            valid_until=valid_until,
            status="ordered" if outside else "live",
            version=1,
            applied_version=0 if outside else 1,
            created_by=created_by,
            created_at=clock.now(),
            changed_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["state"])
        .returning(ChannelCode)
    ).one_or_none()
    if row is None:
        raise StateTaken(state=state)
    if outside:
        emit(CodeChanged(brand_id=brand_id, code_id=row.id))
    return row


def change_code(*, brand_id: int, code_id: int, changes: Mapping[str, Any]) -> ChannelCode:
    """Write what people want otherwise (name, purpose, users, skip_verify, tag_ids, welcome_material_id, valid_until).

    A code WeCom refused before is asked for again. CodeRetired for one out of use.
    """
    row = _held(brand_id, code_id)
    if row.status == "retired":
        raise CodeRetired()
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
    facts = {name: wanted.get(name, getattr(row, name)) for name in ("name", "users", "tag_ids")}
    rules.check(kind=row.kind, state=row.state, page=row.page, **facts)
    for name, value in wanted.items():
        setattr(row, name, value)
    if row.kind in rules.OUTSIDE_KINDS:
        _ask(row)
        if row.status == "failed" and row.config_id is None:
            row.status = "ordered"
    session.flush()
    return row


def retire_code(*, brand_id: int, code_id: int) -> ChannelCode:
    """Take a code out of use; doing it again changes nothing. Customers it brought stay counted."""
    row = _held(brand_id, code_id)
    if row.status != "retired":
        row.status = "retired"
        if row.kind in rules.OUTSIDE_KINDS and (row.config_id or row.reserved_at):
            _ask(row)
        else:
            row.applied_version = row.version
        session.flush()
    return row


def retire_expired(*, limit: int = CHUNK) -> int:
    """Retire codes whose time is over; returns how many, at most `limit`."""
    due = (
        select(ChannelCode)
        .where(ChannelCode.valid_until <= clock.now(), ChannelCode.status != "retired")
        .order_by(ChannelCode.valid_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(due.execution_options(populate_existing=True)).all()
    for row in rows:
        retire_code(brand_id=row.brand_id, code_id=row.id)
    return len(rows)


def ask_again(*, limit: int = CHUNK) -> int:
    """Bring codes to WeCom whose change never arrived there (its work was laid aside); returns how many."""
    now = clock.now()
    stuck = (
        select(ChannelCode)
        .where(ChannelCode.applied_version < ChannelCode.version, ChannelCode.changed_at < now - ASK_AGAIN)
        .order_by(ChannelCode.changed_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(stuck.execution_options(populate_existing=True)).all()
    for row in rows:
        row.changed_at = now
        emit(CodeChanged(brand_id=row.brand_id, code_id=row.id))
    session.flush()
    return len(rows)


def begin(code_id: int) -> Begun | None:
    """Claim the conversation about a code and say what WeCom has to be told; None when it knows. Busy while another
    worker speaks to it: two updates side by side could arrive in the wrong order.
    """
    row = session.get(ChannelCode, code_id, with_for_update=True, populate_existing=True)
    if row is None or row.applied_version >= row.version:
        return None
    now = clock.now()
    if row.busy_until is not None and row.busy_until > now:
        raise Busy(retry_after=max(1.0, (row.busy_until - now).total_seconds()))
    again = row.reserved_at is not None
    if row.status == "retired" and row.config_id is None and not again:
        row.applied_version = row.version
        session.flush()
        return None
    if row.status == "retired":
        action: Action = "delete"
    else:
        action = "update" if row.config_id else "create"
    row.busy_until = now + BUSY
    if action == "create" and not again:
        row.reserved_at = now
    session.flush()
    session.expunge(row)
    return Begun(row, action, again)


def settle(begun: Begun, *, config_id: str | None = None, qr_code: str | None = None) -> None:
    """WeCom knows the version that was begun. A change asked for meanwhile has its own event and stays due."""
    row = _of(begun)
    row.busy_until, row.reserved_at, row.error = None, None, None
    row.applied_version = max(row.applied_version, begun.code.version)
    if begun.action == "delete":
        row.config_id = row.qr_code = None
    elif config_id is not None:
        row.config_id, row.qr_code = config_id, qr_code
        if row.status != "retired":
            row.status = "live"
    session.flush()


def refuse(begun: Begun, reason: str, *, gone: bool = False) -> None:
    """WeCom said no for good. A code that exists stays as WeCom knows it; `gone`: it was deleted there."""
    row = _of(begun)
    row.busy_until, row.error = None, reason
    row.applied_version = max(row.applied_version, begun.code.version)
    if begun.action == "create":
        row.reserved_at = None
    if gone:
        row.config_id = row.qr_code = None
    if row.config_id is None and row.status != "retired":
        row.status = "failed"
    session.flush()


def release(begun: Begun) -> None:
    """Give the conversation back: nothing happened at WeCom."""
    row = _of(begun)
    row.busy_until = None
    if begun.action == "create" and not begun.again:
        row.reserved_at = None
    session.flush()


def _ask(row: ChannelCode) -> None:
    row.version += 1
    row.changed_at = clock.now()
    emit(CodeChanged(brand_id=row.brand_id, code_id=row.id))


def _held(brand_id: int, code_id: int) -> ChannelCode:
    row = session.get(ChannelCode, code_id, with_for_update=True, populate_existing=True)
    if row is None or row.brand_id != brand_id:
        raise CodeUnknown()
    return row


def _of(begun: Begun) -> ChannelCode:
    return session.get_one(ChannelCode, begun.code.id, with_for_update=True, populate_existing=True)
