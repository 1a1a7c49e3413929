"""Writes of channels. Callbacks come doubled, late and out of order: the newest event of a relation wins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app.core import clock, context, crypto
from app.core.db import session

from . import tags
from .models import Follow, Outbound
from .rules import CONTACT_CONTEXT
from .state import FollowTag


def record_follow(
    *,
    corp_id: str,
    userid: str,
    external_userid: str,
    brand_id: int,
    guide_id: int | None,
    person_id: int,
    at: datetime,
    state: str | None = None,
    add_way: int | None = None,
    remark: str | None = None,
    told: bool = True,
) -> bool:
    """Note that a customer added a member of staff at `at`; True when the relation is new or stands again.

    A read notes what it finds with WeCom's own moment of the adding (`createtime`), as a relation that the customer
    ended is still listed. `told` False: nobody told of the addition; it was seen in a read, or only its end is known,
    and the addition is news when it comes. Each fact keeps the newest news of it, so the order in which additions
    arrive does not matter.
    """
    key = {"corp_id": corp_id, "userid": userid, "external_userid": external_userid}
    facts = {"guide_id": guide_id, "add_way": add_way, "remark": remark}
    added = session.scalar(
        insert(Follow)
        .values(
            **key,
            **facts,
            state=state,
            state_at=at if state else None,
            told_at=at if told else None,
            brand_id=brand_id,
            person_id=person_id,
            status="active",
            added_at=at,
            changed_at=at,
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Follow.external_userid)
    )
    if added is not None:
        return True
    row = session.scalars(
        select(Follow).filter_by(**key).with_for_update().execution_options(populate_existing=True)
    ).one()
    unheard = told and row.told_at is None and row.status == "active" and at >= row.changed_at
    if told and (row.told_at is None or row.told_at < at):
        row.told_at = row.added_at = at
    if state and (row.state_at is None or row.state_at < at):
        row.state, row.state_at = state, at
    if row.guide_id is None:
        row.guide_id = guide_id
    # An addition and an end in one second: the end wins, in whatever order they come.
    again = row.status != "active" and at > row.changed_at
    if at >= row.changed_at and (again or row.status == "active"):
        row.status, row.changed_at = "active", at
        for column, value in facts.items():
            if value is not None:
                setattr(row, column, value)
    session.flush()
    return again or unheard


def mark_lost(*, corp_id: str, userid: str, external_userid: str, at: datetime, deleted: bool) -> Follow | None:
    """Note the end of a relation at `at`: `deleted` by the guide, else the customer left. None when it changes nothing.

    A relation we never heard of changes nothing either: what is over needs no row.
    """
    row = session.get(Follow, (corp_id, userid, external_userid), with_for_update=True, populate_existing=True)
    if row is None or row.changed_at > at:
        return None
    status = "deleted" if deleted else "lost"
    # Of two ends in one second the stronger stays; the same end told again is only later.
    if row.changed_at == at and row.status == "deleted":
        return None
    ended, row.status, row.changed_at = row.status != status, status, at
    session.flush()
    if ended and deleted:
        tags.clear_follow_tags(row)
    return row if ended else None


def describe_contact(
    *,
    corp_id: str,
    external_userid: str,
    name: str,
    avatar: str | None,
    type: int,
    gender: int,
    at: datetime | None = None,
) -> None:
    """Keep what WeCom says of a customer, sealed, on every relation we know. `at`: when the read began."""
    card = {"name": name, "avatar": avatar, "type": type, "gender": gender}
    session.execute(
        update(Follow)
        .where(
            Follow.corp_id == corp_id,
            Follow.external_userid == external_userid,
            or_(Follow.described_at.is_(None), Follow.described_at <= (at or clock.now())),
        )
        .values(
            contact=crypto.encrypt(json.dumps(card, ensure_ascii=False), context=CONTACT_CONTEXT),
            described_at=at or clock.now(),
        ),
        execution_options={"synchronize_session": "fetch"},
    )


def describe_follow(
    *,
    corp_id: str,
    userid: str,
    external_userid: str,
    at: datetime | None = None,
    since: datetime | None = None,
    tag_ids: Sequence[str] | None = None,
    **facts: Any,
) -> None:
    """Keep what WeCom says of one relation (remark, add_way, state and corp tags) in a read that began at `at`; a
    relation we do not know stays unknown, and one that ended or was read since stays as it is. `since`: when WeCom says
    it began, which is the moment of its state.
    """
    at = at or clock.now()
    if tag_ids is not None:
        tags.put_follow_tags(corp_id=corp_id, userid=userid, external_userid=external_userid, tag_ids=tag_ids, at=at)
    session.execute(
        update(Follow)
        .where(
            Follow.corp_id == corp_id,
            Follow.userid == userid,
            Follow.external_userid == external_userid,
            tags.readable_at(at),
        )
        .values(**_state(facts.pop("state", None), since))
        .values(read_at=at, **{column: value for column, value in facts.items() if value is not None}),
        execution_options={"synchronize_session": "fetch"},
    )


def _state(state: str | None, since: datetime | None) -> dict[str, Any]:
    """The columns of a state that was read; one that an addition told later stays."""
    if state is None:
        return {}
    if since is None:
        return {"state": state}
    newer = or_(Follow.state_at.is_(None), Follow.state_at <= since)
    return {
        "state": case((newer, state), else_=Follow.state),
        "state_at": case((newer, since), else_=Follow.state_at),
    }


def rename_follows(*, corp_id: str, userid: str, new_userid: str, guide_id: int | None, at: datetime) -> int:
    """A member of staff has another userid since `at`: their relations go along; returns how many did.

    Where the new userid is known to follow the same customer already, the news of both is put together. All of it is
    the guide's, who may be another than the one that was made for the new userid meanwhile.
    """
    old, taken = aliased(Follow), aliased(Follow)
    free = (
        select(old.external_userid)
        .where(old.corp_id == corp_id, old.userid == userid, old.added_at <= at)
        .where(
            ~exists().where(
                taken.corp_id == corp_id, taken.userid == new_userid, taken.external_userid == old.external_userid
            )
        )
    )
    moved = list(
        session.scalars(
            update(Follow)
            .where(Follow.corp_id == corp_id, Follow.userid == userid, Follow.external_userid.in_(free))
            .values(userid=new_userid)
            .returning(Follow.external_userid),
            execution_options={"synchronize_session": False},
        )
    )
    session.execute(
        update(FollowTag)
        .where(FollowTag.corp_id == corp_id, FollowTag.userid == userid, FollowTag.external_userid.in_(moved))
        .values(userid=new_userid),
        execution_options={"synchronize_session": False},
    )
    olds = session.scalars(
        select(Follow)
        .where(Follow.corp_id == corp_id, Follow.userid == userid, Follow.added_at <= at)
        .order_by(Follow.external_userid)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for late in olds:
        target = session.get_one(Follow, (corp_id, new_userid, late.external_userid), populate_existing=True)
        stale = new_userid if _read_later(late, target) else userid
        pair = {"corp_id": corp_id, "external_userid": late.external_userid}
        session.execute(delete(FollowTag).filter_by(**pair, userid=stale))
        session.execute(update(FollowTag).filter_by(**pair, userid=userid).values(userid=new_userid))
        for column in _BELONGS:
            _newer(target, late, column)
        session.delete(late)
        session.flush()
    session.execute(
        update(Follow)
        .where(Follow.corp_id == corp_id, Follow.userid == new_userid, Follow.guide_id.is_distinct_from(guide_id))
        .values(guide_id=guide_id),
        execution_options={"synchronize_session": "fetch"},
    )
    return len(moved) + len(olds)


_BELONGS = {
    "told_at": ("added_at",),
    "state_at": ("state",),
    "read_at": ("remark", "add_way"),
    "described_at": ("contact",),
    "changed_at": ("status",),
}


def _read_later(one: Follow, other: Follow) -> bool:
    return one.read_at is not None and (other.read_at is None or other.read_at < one.read_at)


def _newer(target: Follow, old: Follow, column: str) -> None:
    """Take over from `old` the facts that are newer by the moment in `column`."""
    mine, theirs = getattr(target, column), getattr(old, column)
    if theirs is not None and (mine is None or mine < theirs):
        for name in (column, *_BELONGS[column]):
            setattr(target, name, getattr(old, name))


def own_follows(*, corp_id: str, userid: str, guide_id: int) -> list[int]:
    """A member of staff became a guide: their relations are the guide's. Returns the persons who stand in one."""
    return list(
        session.scalars(
            update(Follow)
            .where(Follow.corp_id == corp_id, Follow.userid == userid, Follow.guide_id.is_(None))
            .values(guide_id=guide_id)
            .returning(Follow.person_id),
            execution_options={"synchronize_session": False},
        )
    )


def reserve_outbound(kind: str, key: str, brand_id: int) -> bool:
    """Claim an effect outside before trying it; False when it was claimed before (by whoever: look at its status)."""
    claimed = session.scalar(
        insert(Outbound)
        .values(
            kind=kind,
            key=key,
            brand_id=brand_id,
            status="reserved",
            reserved_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Outbound.key)
    )
    return claimed is not None


def finish_outbound(
    kind: str, key: str, *, status: str, outside_id: str | None = None, error: str | None = None
) -> None:
    """Write what became of a claimed effect: sent, failed or unknown. What is known already stays."""
    session.execute(
        update(Outbound)
        .where(Outbound.kind == kind, Outbound.key == key, Outbound.status.in_(("reserved", "unknown")))
        .values(
            status=status,
            outside_id=outside_id,
            error=error,
            finished_at=clock.now(),
        ),
        execution_options={"synchronize_session": "fetch"},
    )


def release_outbound(kind: str, key: str) -> None:
    """Give a claim back: nothing happened outside, and the next try may claim it again."""
    session.execute(
        delete(Outbound).where(Outbound.kind == kind, Outbound.key == key, Outbound.status == "reserved"),
        execution_options={"synchronize_session": "fetch"},
    )
