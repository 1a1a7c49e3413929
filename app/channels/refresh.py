"""Asking WeCom again after a callback, once for a burst of callbacks about the same thing.

A callback says that something changed, not what. `want` asks for a read; while one is waiting to begin, further news
needs none of its own, as that read will see it. `begin` says the read begins now; news that comes later wants another.

Kinds and their keys: contact (external userid), tag_library (""), group_chat (chat id), staff (userid),
departments (""), official_user (openid; `corp_id` is then the appid).
"""

from __future__ import annotations

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
        row.pending, row.read_at, row.reads = False, clock.now(), row.reads + 1
        session.flush()
