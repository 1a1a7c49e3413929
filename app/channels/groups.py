"""Customer groups and who is in them, as WeCom last said (see `state` for `at`).

Callbacks name who came and went, but not how: members are read with the whole group. Only who left, and whether they
were removed, is told by callbacks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.db import session
from app.identity import queries as identity
from app.identity.rules import Identity

from .state import GroupChat, GroupChatMember

CUSTOMER = 2
LAG = timedelta(minutes=1)  # generous: WeCom's answers lag some two seconds behind its events


@dataclass(frozen=True)
class Present:
    """Somebody who is in the group: `kind` 1 staff, 2 customer; `join_scene` 1 invited, 2 by link, 3 by QR code."""

    member_key: str
    kind: int
    joined_at: datetime | None
    join_scene: int
    state: str | None = None


def put_group_chat(
    *,
    brand_id: int,
    corp_id: str,
    chat_id: str,
    name: str,
    owner: str | None,
    notice: str,
    created_at: datetime | None,
    member_version: str | None,
    members: Sequence[Present],
    at: datetime,
) -> bool:
    """A group and all its members as they were at `at`; False when newer is known. Who is missing has left."""
    facts = {
        "name": name,
        "owner": owner,
        "notice": notice,
        "created_at": created_at,
        "member_version": member_version,
    }
    statement = insert(GroupChat).values(corp_id=corp_id, chat_id=chat_id, brand_id=brand_id, changed_at=at, **facts)
    put = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["corp_id", "chat_id"],
            set_={**facts, "changed_at": at},
            where=and_(GroupChat.changed_at <= at, GroupChat.dismissed_at.is_(None)),
        ).returning(GroupChat.chat_id)
    )
    if put is None:
        return False
    gone = _erased(corp_id, [one.member_key for one in members if one.kind == CUSTOMER])
    for one in sorted(members, key=lambda member: member.member_key):
        if one.member_key not in gone:
            _present(brand_id, corp_id, chat_id, one, at)
    session.execute(
        update(GroupChatMember)
        .where(
            GroupChatMember.corp_id == corp_id,
            GroupChatMember.chat_id == chat_id,
            GroupChatMember.left_at.is_(None),
            GroupChatMember.member_key.not_in([one.member_key for one in members]),
        )
        .values(left_at=at),
        execution_options={"synchronize_session": False},
    )
    return True


def put_group_status(*, brand_id: int, corp_id: str, chat_id: str, status: int, at: datetime) -> bool:
    """WeCom's follow-up status of a group (0 normal, 1 owner left, 2 being inherited, 3 inherited)."""
    statement = insert(GroupChat).values(
        corp_id=corp_id, chat_id=chat_id, brand_id=brand_id, status=status, changed_at=at
    )
    put = statement.on_conflict_do_update(
        index_elements=["corp_id", "chat_id"],
        set_={"status": status},
        where=and_(GroupChat.changed_at <= at, GroupChat.status != status),
    )
    return session.scalar(put.returning(GroupChat.chat_id)) is not None


def leave_group_chat(
    *,
    brand_id: int,
    corp_id: str,
    chat_id: str,
    member_keys: Sequence[str],
    quit_scene: int,
    at: datetime,
    before: str | None = None,
    after: str | None = None,
) -> bool:
    """Members left at `at`. `before`, `after`: the group's member version around it; True when ours was `before`, so
    that the group is known whole without reading it again.
    """
    for key in sorted(set(member_keys) - _erased(corp_id, member_keys)):
        statement = insert(GroupChatMember).values(
            corp_id=corp_id, chat_id=chat_id, member_key=key, brand_id=brand_id, left_at=at, quit_scene=quit_scene
        )
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["corp_id", "chat_id", "member_key"],
                set_={"left_at": at, "quit_scene": quit_scene},
                where=and_(
                    or_(GroupChatMember.joined_at.is_(None), GroupChatMember.joined_at <= at),
                    # A moment that a read only bounded gives way to the one WeCom tells.
                    or_(
                        GroupChatMember.left_at.is_(None),
                        GroupChatMember.quit_scene.is_(None),
                        GroupChatMember.left_at < at,
                    ),
                ),
            )
        )
    if before is None or after is None:
        return False
    moved = session.scalar(
        update(GroupChat)
        .where(GroupChat.corp_id == corp_id, GroupChat.chat_id == chat_id, GroupChat.member_version == before)
        .values(member_version=after, changed_at=func.greatest(GroupChat.changed_at, at))
        .returning(GroupChat.chat_id),
        execution_options={"synchronize_session": False},
    )
    return moved is not None


def dismiss_group_chat(*, brand_id: int, corp_id: str, chat_id: str, at: datetime) -> bool:
    """A group was dismissed at `at`, for good; True when that is news."""
    statement = insert(GroupChat).values(
        corp_id=corp_id, chat_id=chat_id, brand_id=brand_id, dismissed_at=at, changed_at=at
    )
    put = statement.on_conflict_do_update(
        index_elements=["corp_id", "chat_id"],
        set_={"dismissed_at": at, "changed_at": func.greatest(GroupChat.changed_at, at)},
        where=GroupChat.dismissed_at.is_(None),
    )
    return session.scalar(put.returning(GroupChat.chat_id)) is not None


def rename_member(*, corp_id: str, userid: str, new_userid: str) -> None:
    """A member of staff has another userid: in their groups too, where a read has not said so already."""
    session.execute(
        update(GroupChat).where(GroupChat.corp_id == corp_id, GroupChat.owner == userid).values(owner=new_userid),
        execution_options={"synchronize_session": False},
    )
    known = select(GroupChatMember.chat_id).where(
        GroupChatMember.corp_id == corp_id, GroupChatMember.member_key == new_userid
    )
    mine = (GroupChatMember.corp_id == corp_id, GroupChatMember.member_key == userid)
    session.execute(
        update(GroupChatMember)
        .where(*mine, GroupChatMember.chat_id.not_in(known.scalar_subquery()))
        .values(member_key=new_userid),
        execution_options={"synchronize_session": False},
    )
    session.execute(delete(GroupChatMember).where(*mine), execution_options={"synchronize_session": False})


def group_chat(corp_id: str, chat_id: str) -> GroupChat | None:
    return session.get(GroupChat, (corp_id, chat_id), populate_existing=True)


def present_members(corp_id: str, chat_id: str) -> list[GroupChatMember]:
    """Who is in a group now."""
    return list(
        session.scalars(
            select(GroupChatMember)
            .where(
                GroupChatMember.corp_id == corp_id,
                GroupChatMember.chat_id == chat_id,
                GroupChatMember.left_at.is_(None),
            )
            .order_by(GroupChatMember.member_key)
            .execution_options(populate_existing=True)
        )
    )


def _present(brand_id: int, corp_id: str, chat_id: str, one: Present, at: datetime) -> None:
    facts: dict[str, Any] = {
        "kind": one.kind,
        "joined_at": one.joined_at or at,
        "join_scene": one.join_scene,
        "state": one.state,
    }
    statement = insert(GroupChatMember).values(
        corp_id=corp_id, chat_id=chat_id, member_key=one.member_key, brand_id=brand_id, **facts
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["corp_id", "chat_id", "member_key"],
            set_={**facts, "left_at": None, "quit_scene": None},
            where=and_(
                # WeCom's answer lags behind its own events: who left just now has left, though a read still shows them.
                or_(
                    GroupChatMember.left_at.is_(None),
                    GroupChatMember.quit_scene.is_(None),
                    GroupChatMember.left_at < facts["joined_at"],
                    GroupChatMember.left_at < at - LAG,
                ),
                or_(
                    GroupChatMember.left_at.is_not(None),
                    *(getattr(GroupChatMember, name).is_distinct_from(value) for name, value in facts.items()),
                ),
            ),
        )
    )


def _erased(corp_id: str, keys: Sequence[str]) -> set[str]:
    """Of these members of groups, who was erased: they are in the group, and we keep no list of it."""
    return {one.value for one in identity.erased([Identity("external_userid", corp_id, key) for key in keys])}
