"""Reads of channel codes: by state, and by which codes somebody came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.core.db import session
from app.identity import queries as identity

from .models import Arrival, ChannelCode


@dataclass(frozen=True)
class Touch:
    """One arrival, as a profile shows it. `kind` added or opened; `first` and `last`: of all of the person's."""

    code_id: int
    name: str
    purpose: str
    code_kind: str
    kind: str
    at: datetime
    store_id: int | None
    guide_id: int | None
    lost_at: datetime | None
    first: bool
    last: bool


@dataclass(frozen=True)
class Place:
    """Where a code led somebody."""

    store_id: int | None
    guide_id: int | None


def by_state(state: str) -> ChannelCode | None:
    """The channel code behind a state, also one out of use: printed codes and late callbacks outlive it."""
    return session.scalar(select(ChannelCode).where(ChannelCode.state == state))


def code(brand_id: int, code_id: int) -> ChannelCode | None:
    """The brand's code of that id, as it stands now."""
    found = session.get(ChannelCode, code_id, populate_existing=True)
    return found if found is not None and found.brand_id == brand_id else None


def known_config_ids() -> frozenset[str]:
    """Ids of all contact ways and links that belong to a code of ours."""
    return frozenset(session.scalars(select(ChannelCode.config_id).where(ChannelCode.config_id.is_not(None))))


def arrivals(person_id: int, *, brand_id: int, limit: int = 50) -> list[Touch]:
    """By which codes of a brand a person came, newest first: one statement beside the person's merges."""
    people = identity.all_ids_of(person_id)
    rows = session.execute(
        select(Arrival, ChannelCode)
        .join(ChannelCode, ChannelCode.id == Arrival.code_id)
        .where(Arrival.brand_id == brand_id, Arrival.person_id.in_(people))
        .order_by(Arrival.at.desc(), Arrival.code_id.desc())
    ).all()
    touches = [
        Touch(
            code_id=found.id,
            name=found.name,
            purpose=found.purpose,
            code_kind=found.kind,
            kind=row.kind,
            at=row.at,
            store_id=row.store_id,
            guide_id=row.guide_id,
            lost_at=row.lost_at,
            first=index == len(rows) - 1,
            last=index == 0,
        )
        for index, (row, found) in enumerate(rows)
    ]
    return touches if len(touches) <= limit else [*touches[: limit - 1], touches[-1]]


def stands(*, userid: str, external_userid: str) -> bool:
    """Whether a relation that began by some code has not ended."""
    standing = select(Arrival.code_id).where(
        Arrival.external_userid == external_userid, Arrival.userid == userid, Arrival.lost_at.is_(None)
    )
    return session.scalar(standing.limit(1)) is not None


def place(person_id: int, *, brand_id: int, since: datetime) -> Place | None:
    """Where the newest arrival after `since` led a person; None when they came by no code."""
    row = session.execute(
        select(Arrival.store_id, Arrival.guide_id)
        .where(
            Arrival.brand_id == brand_id,
            Arrival.person_id.in_(identity.all_ids_of(person_id)),
            Arrival.at >= since,
        )
        .order_by(Arrival.at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Place(row.store_id, row.guide_id)
