"""Members for the console: find one. `profile` and `timeline` show everything about one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select, tuple_

from app.core.db import session
from app.dashboards.reach import Reach
from app.dashboards.rules import mask_name, mask_phone
from app.identity import queries as identity
from app.identity.errors import PhoneInvalid
from app.identity.rules import mobile
from app.members import queries as members
from app.members.models import Member
from app.org.models import Guide, Store
from app.tiers.models import MemberTier, Tier

_PHONE = re.compile(r"\+?[0-9][0-9 -]{9,15}")
_NUMBER = re.compile(r"[0-9]{6,20}")


@dataclass(frozen=True)
class Line:
    """A member in a list: name and phone masked."""

    member_id: int
    number: str
    name: str
    phone: str
    tier: str
    store_name: str
    guide_name: str
    source: str
    status: str
    joined_at: datetime
    bound_at: datetime | None


def is_phone(text: str) -> bool:
    """Whether a search text can be a phone number: such a search is a sensitive act."""
    return _PHONE.fullmatch(text.strip()) is not None


def newest(reach: Reach, *, after: tuple[datetime, int] | None, limit: int) -> list[Line]:
    """Members by the time they joined, newest first; `after` is the last line's (joined_at, member_id)."""
    statement = _lines(reach).order_by(Member.joined_at.desc(), Member.member_id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(Member.joined_at, Member.member_id) < after)
    return [_line(*row) for row in session.execute(statement)]


def find(reach: Reach, text: str) -> list[Line]:
    """Members with exactly this phone number, member number or card number, as far as the reader sees."""
    wanted = text.strip()
    found: set[int] = set()
    if is_phone(wanted):
        person_id = _person_of_phone(wanted)
        member = members.member_of(reach.brand_id, person_id) if person_id is not None else None
        found |= {member.member_id} if member else set()
    if _NUMBER.fullmatch(wanted) and (member := members.by_number(reach.brand_id, wanted)):
        found.add(member.member_id)
    if not found:
        return []
    rows = session.execute(_lines(reach).where(Member.member_id.in_(sorted(found))).order_by(Member.member_id))
    return [_line(*row) for row in rows]


def visible(reach: Reach, member_id: int) -> Member | None:
    """The living member behind an id, if the reader sees them: the one gate of every page about one member."""
    member = members.living(reach.brand_id, member_id)
    return member if member is not None and reach.covers(member.home_store_id) else None


def _person_of_phone(text: str) -> int | None:
    try:
        return identity.person_of(mobile(text))
    except PhoneInvalid:
        return None


def _lines(reach: Reach) -> Any:
    current = and_(
        MemberTier.brand_id == Member.brand_id,
        MemberTier.member_id == Member.member_id,
        MemberTier.valid_to.is_(None),
    )
    return (
        select(Member, Tier.name, Store.name, Guide.name)
        .outerjoin(MemberTier, current)
        .outerjoin(Tier, and_(Tier.brand_id == MemberTier.brand_id, Tier.tier_id == MemberTier.tier_id))
        .outerjoin(Store, Store.id == Member.home_store_id)
        .outerjoin(Guide, Guide.id == Member.guide_id)
        .where(Member.brand_id == reach.brand_id, Member.status != "merged", reach.within(Member.home_store_id))
    )


def _line(member: Member, tier: str | None, store: str | None, guide: str | None) -> Line:
    return Line(
        member_id=member.member_id,
        number=member.number,
        name=mask_name(member.plain_name),
        phone=mask_phone(member.phone_tail),
        tier=tier or "",
        store_name=store or "",
        guide_name=guide or "",
        source=member.source,
        status=member.status,
        joined_at=member.joined_at,
        bound_at=member.bound_at,
    )
