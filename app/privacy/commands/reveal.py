"""Looking behind a mask: counted, limited, audited, and told once."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert

from app.core import audit, clock, ids
from app.core.db import session
from app.identity import queries as identity
from app.members.models import Member
from app.org import queries as org

from .. import rules
from ..errors import NothingToReveal, RevealLimit
from ..models import Reveal, RevealQuota


def reveal(*, member: Member, field: str, reason: str, actor: str, role: str) -> str:
    """The plain value of a masked field of a member whom the reader has been found to see.

    Every call counts against what the role may see in one day of the brand and is written down and audited, without
    the value. Raises RevealInvalid, NothingToReveal (which costs nothing) and RevealLimit.
    """
    why = rules.check_reveal(field, reason)
    value = _value(member, field)
    if value is None:
        raise NothingToReveal()
    now, zone = clock.now(), ZoneInfo(org.brand(member.brand_id).timezone)
    most = rules.REVEALS_A_DAY[role]
    counted = insert(RevealQuota).values(brand_id=member.brand_id, actor=actor, day=now.astimezone(zone).date(), used=1)
    used = session.scalar(
        counted.on_conflict_do_update(
            index_elements=["brand_id", "actor", "day"],
            set_={"used": RevealQuota.used + 1},
            where=RevealQuota.used < most,  # the guard: one statement, however many ask at once
        ).returning(RevealQuota.used)
    )
    if used is None:
        raise RevealLimit(retry_after=3600, most=most)
    session.add(
        Reveal(
            brand_id=member.brand_id,
            member_id=member.member_id,
            actor=actor,
            role=role,
            field=field,
            reason=why,
            at=now,
        )
    )
    session.flush()
    audit.record(
        actor=actor,
        action="members.revealed",
        subject=ids.encode("mbr", member.member_id),
        field=field,
        used=used,
        most=most,
    )
    return value


def _value(member: Member, field: str) -> str | None:
    if field == "phone":
        return identity.phone_of(member.person_id)
    if field == "name":
        return member.plain_name
    return member.birthday.isoformat() if member.birthday is not None else None
