"""Asking WeCom again after a callback, once for a burst of callbacks about the same thing.

A callback says that something changed, not what. `want` asks for a read; while one is waiting to begin, further news
needs none of its own, as that read will see it. `begin` says the read begins now; news that comes later wants another.
`end` says that it was answered; what is never answered is read by the next reconciliation, which calls `make_good`.

Kinds and their keys: contact (external userid), tag_library (""), group_chat (chat id), staff (userid),
departments (""), official_user (openid; `corp_id` is then the appid).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock
from app.core.db import session
from app.core.outbox import emit

from .events import RefreshWanted
from .state import Refresh

KINDS = ("contact", "tag_library", "group_chat", "staff", "departments", "official_user")


def want(*, brand_id: int, corp_id: str, kind: str, key: str = "") -> bool:
    """Ask for a read; False when one is about to begin anyway."""
    statement = insert(Refresh).values(corp_id=corp_id, kind=kind, key=key, brand_id=brand_id, pending=True)
    asked = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["corp_id", "kind", "key"],
            set_={"pending": True, "asked_at": clock.now()},
            where=Refresh.pending.is_(False),
        ).returning(Refresh.key)
    )
    if asked is None:
        return False
    emit(RefreshWanted(brand_id=brand_id, corp_id=corp_id, kind=kind, key=key))
    return True


def begin(*, corp_id: str, kind: str, key: str) -> None:
    """A read begins: what changes from now on needs another one."""
    row = session.get(Refresh, (corp_id, kind, key), with_for_update=True, populate_existing=True)
    if row is not None:
        row.pending, row.read_at, row.reads = False, None, row.reads + 1
        session.flush()


def end(*, corp_id: str, kind: str, key: str) -> None:
    """The read that began was answered."""
    session.execute(
        update(Refresh)
        .where(Refresh.corp_id == corp_id, Refresh.kind == kind, Refresh.key == key)
        .values(read_at=clock.now()),
        execution_options={"synchronize_session": False},
    )


def make_good(*, corp_id: str, kind: str, read: Mapping[str, datetime]) -> None:
    """A reconciliation asked about these keys, each at its moment: what was wanted of them before and never came to an
    answer needs none any more.
    """
    found = session.scalars(
        select(Refresh)
        .where(Refresh.corp_id == corp_id, Refresh.kind == kind, Refresh.key.in_(read))
        .where(or_(Refresh.pending, Refresh.read_at.is_(None)))
        .order_by(Refresh.key)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in found:
        if row.asked_at < read[row.key]:
            row.pending, row.read_at = False, clock.now()
    session.flush()
