"""Reads of privacy: may we, what was said, who looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, text
from sqlalchemy.orm import defer

from app.core import clock
from app.core.db import session
from app.identity import queries as identity
from app.identity.models import PersonMerge
from app.members import queries as members

from . import rules
from .errors import ErasureUnknown, ExportUnknown
from .models import Consent, DataExport, ErasedMembership, Erasure, OptOut, PrivacyPolicy, Reveal
from .rules import ANY, DEFAULTS, OPT_OUT_PURPOSES, PURPOSES, Said

# The newest of each of a person's ids, of each purpose and channel; of one moment the refusal.
_LAST_WORDS = text("""
WITH root AS (
    SELECT coalesce((SELECT merged_into FROM person WHERE person_id = :person_id), :person_id) AS person_id
)
SELECT DISTINCT ON (c.purpose, c.person_id, c.channel) c.purpose, c.person_id, c.channel, c.granted, c.at
FROM (
    SELECT person_id FROM root
    UNION ALL SELECT p.person_id FROM person p JOIN root ON p.merged_into = root.person_id
) ids
JOIN consent c ON c.brand_id = :brand_id AND c.person_id = ids.person_id
ORDER BY c.purpose, c.person_id, c.channel, c.at DESC, c.granted
""")


def allowed(brand_id: int, member_id: int, purpose: str, channel: str = ANY) -> bool:
    """Whether a member may be reached for a purpose on a channel; ask with the living member's id.

    One statement for what silence allows (service, marketing, profiling); what needs a yes is worked out of the
    person's statements. Sets of members are told apart by joining `opt_out` on (purpose, channel).
    """
    if DEFAULTS[purpose]:
        return session.get(OptOut, (brand_id, member_id, purpose, channel), populate_existing=True) is None
    member = members.member(brand_id, member_id)
    return member is not None and state(brand_id, member.person_id)[purpose][channel]


def opt_outs(brand_id: int, member_id: int) -> list[OptOut]:
    """What a member is not to be reached for."""
    return list(
        session.scalars(
            select(OptOut)
            .where(OptOut.brand_id == brand_id, OptOut.member_id == member_id)
            .order_by(OptOut.purpose, OptOut.channel)
        )
    )


def state(brand_id: int, person_id: int) -> dict[str, dict[str, bool]]:
    """What a person allows a brand, by purpose and channel, from everything that any of their ids ever said."""
    last_words = session.execute(_LAST_WORDS, {"brand_id": brand_id, "person_id": person_id}).all()
    person_ids = identity.all_ids_of(person_id) if last_words else ()
    joined = _joined(person_ids) if len(person_ids) > 1 else {}
    return {
        purpose: rules.state(purpose, [Said(*row[1:]) for row in last_words if row.purpose == purpose], joined)
        for purpose in PURPOSES
    }


def refused(brand_id: int, person_id: int) -> set[tuple[str, str]]:
    """The (purpose, channel) pairs a person refuses, of the purposes that silence allows."""
    found = state(brand_id, person_id)
    return {(purpose, channel) for purpose in OPT_OUT_PURPOSES for channel, yes in found[purpose].items() if not yes}


def history(brand_id: int, person_id: int, *, limit: int = 100) -> list[Consent]:
    """What a person said to a brand, newest first."""
    return list(
        session.scalars(
            select(Consent)
            .where(Consent.brand_id == brand_id, Consent.person_id.in_(identity.all_ids_of(person_id)))
            .order_by(Consent.at.desc(), Consent.consent_id.desc())
            .limit(limit)
        )
    )


def policy_in_force(brand_id: int, at: datetime | None = None) -> PrivacyPolicy | None:
    """The text that holds at a moment (now): the last that had come into force by then."""
    return session.scalar(
        select(PrivacyPolicy)
        .where(PrivacyPolicy.brand_id == brand_id, PrivacyPolicy.valid_from <= (at or clock.now()))
        .order_by(PrivacyPolicy.valid_from.desc(), PrivacyPolicy.version.desc())
        .limit(1)
    )


def policies(brand_id: int) -> list[PrivacyPolicy]:
    """What a brand has published, newest first."""
    mine = select(PrivacyPolicy).where(PrivacyPolicy.brand_id == brand_id)
    return list(session.scalars(mine.order_by(PrivacyPolicy.valid_from.desc(), PrivacyPolicy.version.desc())))


def policy(brand_id: int, version: str) -> PrivacyPolicy | None:
    return session.get(PrivacyPolicy, (brand_id, version), populate_existing=True)


def open_erasure(brand_id: int, person_id: int) -> Erasure:
    """The wish to be forgotten that waits; ErasureUnknown when there is none."""
    row = session.scalar(
        select(Erasure)
        .where(
            Erasure.brand_id == brand_id,
            Erasure.person_id.in_(identity.all_ids_of(person_id)),
            Erasure.status.in_(("asked", "confirmed")),
        )
        .order_by(Erasure.request_id)
        .limit(1)
    )
    if row is None:
        raise ErasureUnknown()
    return row


def erasures(brand_id: int, person_id: int) -> list[Erasure]:
    """Every wish of a person to be forgotten by a brand, newest first."""
    return list(
        session.scalars(
            select(Erasure)
            .where(Erasure.brand_id == brand_id, Erasure.person_id.in_(identity.all_ids_of(person_id)))
            .order_by(Erasure.request_id.desc())
        )
    )


def left(brand_id: int, person_id: int) -> bool:
    """Whether a person's membership of a brand was erased and they have not come back by themselves: imports and
    callbacks must not make them a member then.
    """
    tombstone = select(ErasedMembership.person_id).where(
        ErasedMembership.brand_id == brand_id, ErasedMembership.person_id.in_(identity.all_ids_of(person_id))
    )
    return session.scalar(tombstone.limit(1)) is not None


def export(brand_id: int, member_id: int, export_id: int) -> DataExport:
    """A member's export; ExportUnknown for any other."""
    row = session.get(DataExport, (brand_id, member_id, export_id), populate_existing=True)
    if row is None:
        raise ExportUnknown()
    return row


def exports(brand_id: int, member_id: int) -> list[DataExport]:
    """A member's exports without their content, newest first."""
    return list(
        session.scalars(
            select(DataExport)
            .options(defer(DataExport.content, raiseload=True))
            .where(DataExport.brand_id == brand_id, DataExport.member_id == member_id)
            .order_by(DataExport.export_id.desc())
            .limit(20)
        )
    )


@dataclass(frozen=True)
class Look:
    """One look behind a mask."""

    at: datetime
    actor: str
    role: str
    field: str
    reason: str


def reveals(brand_id: int, member_ids: Sequence[int], *, limit: int = 50) -> list[Look]:
    """Who looked behind the masks of a member (with what was merged into it), newest first."""
    rows = session.execute(
        select(Reveal.at, Reveal.actor, Reveal.role, Reveal.field, Reveal.reason)
        .where(Reveal.brand_id == brand_id, Reveal.member_id.in_(member_ids))
        .order_by(Reveal.at.desc(), Reveal.reveal_id.desc())
        .limit(limit)
    )
    return [Look(*row) for row in rows]


def _joined(person_ids: Sequence[int]) -> dict[tuple[int, int], datetime]:
    """(who, into whom) -> since when, by the merges that stand."""
    found: dict[tuple[int, int], datetime] = {}
    merges = session.execute(
        select(PersonMerge.winner_id, PersonMerge.loser_id, PersonMerge.evidence, PersonMerge.merged_at).where(
            or_(PersonMerge.winner_id.in_(person_ids), PersonMerge.loser_id.in_(person_ids)),
            PersonMerge.revoked_at.is_(None),
        )
    )
    for winner, loser, evidence, at in merges:
        for one in (loser, *evidence.get("folded", ())):
            found[one, winner] = min(at, found.get((one, winner), at))
    return found
