"""Writes of arrivals: who came by which code. Rows are facts and never move; a merge is followed when reading."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, delete, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import context
from app.core.db import session

from ..models import Follow
from .models import Arrival, ChannelCode

SAME_VISIT = timedelta(minutes=30)  # opening the mini-program by the same code again is the same visit


def arrive(
    *,
    code: ChannelCode,
    person_id: int,
    at: datetime,
    userid: str | None = None,
    external_userid: str | None = None,
    store_id: int | None = None,
    guide_id: int | None = None,
    lost_at: datetime | None = None,
) -> bool:
    """Note that a person came by a code; with `external_userid` they added `userid`, else they opened the mini-program.

    `store_id` and `guide_id` are where they came to, the code's own where nothing else is known. False when it is
    known already.
    """
    if external_userid is None and _recent(code, person_id, at):
        return False
    added = session.scalar(
        insert(Arrival)
        .values(
            brand_id=code.brand_id,
            person_id=person_id,
            code_id=code.id,
            at=at,
            kind="opened" if external_userid is None else "added",
            store_id=store_id or code.store_id,
            guide_id=guide_id or code.guide_id,
            userid=userid,
            external_userid=external_userid,
            lost_at=lost_at,
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Arrival.code_id)
    )
    return added is not None


def note_lost(*, userid: str, external_userid: str, at: datetime) -> int:
    """Note that the relation of a customer and a member of staff ended at `at`; returns how many arrivals it ends."""
    ended = session.scalars(
        update(Arrival)
        .where(
            Arrival.external_userid == external_userid,
            Arrival.userid == userid,
            Arrival.at <= at,
            Arrival.lost_at.is_(None),
        )
        .values(lost_at=at)
        .returning(Arrival.code_id),
        execution_options={"synchronize_session": False},
    )
    return len(ended.all())


def rename(*, corp_id: str, userid: str, new_userid: str) -> None:
    """A member of staff has another userid, which their relations have already: who came to them is found by it."""
    theirs = select(Follow.external_userid).where(Follow.corp_id == corp_id, Follow.userid == new_userid)
    session.execute(
        update(Arrival)
        .where(Arrival.userid == userid, Arrival.external_userid.in_(theirs.scalar_subquery()))
        .values(userid=new_userid),
        execution_options={"synchronize_session": False},
    )


def reown(*, external_userid: str, person_id: int) -> None:
    """Give arrivals that were noted while two persons were one to the one who has the external userid."""
    moved = (
        delete(Arrival)
        .where(Arrival.external_userid == external_userid, Arrival.person_id != person_id)
        .returning(*Arrival.__table__.columns)
        .cte("moved")
    )
    names = [column.name for column in Arrival.__table__.columns]
    values = [literal(person_id, BigInteger) if name == "person_id" else moved.c[name] for name in names]
    session.execute(insert(Arrival).from_select(names, select(*values)).on_conflict_do_nothing())


def _recent(code: ChannelCode, person_id: int, at: datetime) -> bool:
    same = select(Arrival.at).where(
        Arrival.brand_id == code.brand_id,
        Arrival.person_id == person_id,
        Arrival.code_id == code.id,
        Arrival.at.between(at - SAME_VISIT, at + SAME_VISIT),  # a later one may have been heard of before
    )
    return session.scalar(same.limit(1)) is not None
