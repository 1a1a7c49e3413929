"""Members by the thousand: who they are by staged ids, and new ones for persons who have just been found.

Nothing here emits an event: history is not news, and no playbook is to begin for what happened years ago.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from app.core import bulk, clock, context, crypto, ids
from app.core.errors import Busy

from .rules import NAME_CONTEXT, number_from

_TRIES = 5
_MERGED = 0  # who was waited for, and merged into somebody meanwhile: look again, the next statement sees into whom

# Each step in the order of the index it looks into (keys lie at random, persons and members by age): half the cost.
_MEMBERS = """
    WITH owned AS MATERIALIZED (
        SELECT s.key, i.person_id FROM staged_id s
        JOIN identity i ON i.kind = s.kind AND i.namespace = s.namespace AND i.value = s.value
        ORDER BY i.person_id
    ), belonging AS MATERIALIZED (
        SELECT o.key, ms.member_id FROM owned o
        JOIN person p ON p.person_id = o.person_id
        JOIN membership ms ON ms.brand_id = %(brand_id)s AND ms.person_id = coalesce(p.merged_into, p.person_id)
        ORDER BY ms.member_id
    )
    SELECT b.key, CASE m.status WHEN 'erased' THEN NULL WHEN 'merged' THEN 0 ELSE m.member_id END FROM belonging b
    JOIN member m ON m.brand_id = %(brand_id)s AND m.member_id = b.member_id
    ORDER BY m.member_id
    FOR KEY SHARE OF m  -- as family.keep does: a merge waits, and then sees what is written for them
"""
_NUMBERS = """
    INSERT INTO member_number (brand_id, number, member_id)
    SELECT %(brand_id)s, number, member_id FROM staged_number ORDER BY number
    ON CONFLICT DO NOTHING
    RETURNING member_id, number
"""
_FACTS = """
    SELECT ms.person_id, m.member_id, m.card_no, m.name, m.phone_tail, m.gender, m.birthday, m.home_store_id, m.guide_id
    FROM staged_person s
    JOIN membership ms ON ms.brand_id = %(brand_id)s AND ms.person_id = s.person_id
    JOIN member m ON m.brand_id = ms.brand_id AND m.member_id = ms.member_id AND m.status IN ('active', 'frozen')
    ORDER BY m.member_id
    FOR UPDATE OF m
"""
_FILL = """
    UPDATE member m
    SET card_no = coalesce(m.card_no, s.card_no),
        name = coalesce(s.name, m.name),
        phone_tail = coalesce(m.phone_tail, s.phone_tail),
        gender = CASE WHEN m.gender = 0 THEN coalesce(s.gender, 0) ELSE m.gender END,
        birthday = coalesce(m.birthday, s.birthday),
        home_store_id = coalesce(m.home_store_id, s.home_store_id),
        guide_id = coalesce(m.guide_id, s.guide_id)
    FROM staged_fact s
    WHERE m.brand_id = %(brand_id)s AND m.member_id = s.member_id
"""
_OWNED = """
    INSERT INTO guide_history (brand_id, member_id, from_at, guide_id, store_id, reason, correlation_id)
    SELECT %(brand_id)s, member_id, %(at)s, guide_id, guide_store_id, 'import', %(correlation_id)s
    FROM staged_owner
    ON CONFLICT DO NOTHING
"""
_HOMES = """
    INSERT INTO home_store_history (brand_id, member_id, from_at, store_id, reason, moved_by, correlation_id)
    SELECT %(brand_id)s, member_id, at, store_id, reason, 'import', %(correlation_id)s FROM staged_home
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of a member; None or 0 where it says nothing. `name` in plain."""

    card_no: str | None = None
    name: str | None = None
    phone_tail: str | None = None
    gender: int = 0
    birthday: date | None = None
    home_store_id: int | None = None
    guide_id: int | None = None
    guide_store_id: int | None = None
    joined_at: datetime | None = None


def of_staged_ids(brand_id: int) -> dict[int, int]:
    """Members by the place of a staged id (identity.bulk.stage) that is theirs."""
    for _ in range(_TRIES):
        found: dict[int, int | None] = dict(bulk.fetch(_MEMBERS, {"brand_id": brand_id}))
        if _MERGED not in found.values():
            return {place: member_id for place, member_id in found.items() if member_id is not None}
    raise Busy(retry_after=0.2)


def of_persons(brand_id: int, person_ids: Sequence[int]) -> dict[int, tuple[int, Facts]]:
    """The members that living persons are, with what is known of them, by person; locked in order of their ids."""
    bulk.stage("staged_person", pa.table({"person_id": pa.array(sorted(set(person_ids)), pa.int64())}))
    found = {}
    for person, member, card, name, tail, gender, birthday, store, guide in bulk.fetch(_FACTS, {"brand_id": brand_id}):
        found[person] = (
            member,
            Facts(
                card_no=card,
                name=None if name is None else crypto.decrypt(name, context=NAME_CONTEXT),
                phone_tail=tail,
                gender=gender,
                birthday=birthday,
                home_store_id=store,
                guide_id=guide,
            ),
        )
    return found


def join_all(*, brand_id: int, joining: Sequence[tuple[int, Facts]], source: str) -> list[int]:
    """New members for persons that were found in this very transaction; emits nothing. Returns member ids in order."""
    members = ids.new_ids(len(joining))
    persons = [person for person, _ in joining]
    numbers = _take_numbers(brand_id, members)
    now = clock.now()
    moment = pa.timestamp("us", "UTC")
    brand = pa.repeat(pa.scalar(brand_id, pa.int64()), len(members))
    facts = [one for _, one in joining]
    bulk.copy(
        "membership",
        pa.table(
            {
                "brand_id": brand,
                "person_id": pa.array(persons, pa.int64()),
                "member_id": pa.array(members, pa.int64()),
            }
        ),
    )
    bulk.copy(
        "member",
        pa.table(
            {
                "brand_id": brand,
                "member_id": pa.array(members, pa.int64()),
                "person_id": pa.array(persons, pa.int64()),
                "number": pa.array([numbers[member] for member in members], pa.string()),
                **_columns(facts),
                "gender": pa.array([one.gender for one in facts], pa.int64()),
                "status": pa.repeat("active", len(members)),
                "source": pa.repeat(source, len(members)),
                "joined_at": pa.array([one.joined_at or now for one in facts], moment),
                "correlation_id": pa.repeat(context.correlation_id(), len(members)),
            }
        ),
    )
    joined = list(zip(members, facts, strict=True))
    _note_owners(brand_id, joined)
    _note_homes(brand_id, "joined", [(member, one.home_store_id, one.joined_at or now) for member, one in joined])
    return members


def fill(*, brand_id: int, known: Sequence[tuple[int, Facts, Facts]]) -> set[int]:
    """Write what a file adds to members locked by `of_persons`: (member, what is known, what is told).

    A name is corrected, everything else filled in where it was blank. Returns the members that changed.
    """
    changed = [(member, was, told) for member, was, told in known if _adds(was, told)]
    if not changed:
        return set()
    told = [one for _, _, one in changed]
    bulk.stage(
        "staged_fact",
        pa.table(
            {
                "member_id": pa.array([member for member, _, _ in changed], pa.int64()),
                **_columns(told),
                "gender": pa.array([one.gender or None for one in told], pa.int64()),
            }
        ),
    )
    bulk.execute(_FILL, {"brand_id": brand_id})
    _note_owners(brand_id, [(member, one) for member, was, one in changed if was.guide_id is None])
    homes = [(member, one.home_store_id, clock.now()) for member, was, one in changed if was.home_store_id is None]
    _note_homes(brand_id, "filled", homes)
    return {member for member, _, _ in changed}


def _adds(was: Facts, told: Facts) -> bool:
    blank = ("card_no", "phone_tail", "gender", "birthday", "home_store_id", "guide_id")
    return bool(told.name and told.name != was.name) or any(
        getattr(told, name) and not getattr(was, name) for name in blank
    )


def _columns(facts: Sequence[Facts]) -> dict[str, pa.Array]:
    names = [None if one.name is None else crypto.encrypt(one.name, context=NAME_CONTEXT) for one in facts]
    return {
        "card_no": pa.array([one.card_no for one in facts], pa.string()),
        "name": pa.array(names, pa.string()),
        "phone_tail": pa.array([one.phone_tail for one in facts], pa.string()),
        "birthday": pa.array([one.birthday for one in facts], pa.date32()),
        "home_store_id": pa.array([one.home_store_id for one in facts], pa.int64()),
        "guide_id": pa.array([one.guide_id for one in facts], pa.int64()),
    }


def _note_owners(brand_id: int, owned: Sequence[tuple[int, Facts]]) -> None:
    rows = [(member, one) for member, one in owned if one.guide_id is not None]
    if not rows:
        return
    bulk.stage(
        "staged_owner",
        pa.table(
            {
                "member_id": pa.array([member for member, _ in rows], pa.int64()),
                "guide_id": pa.array([one.guide_id for _, one in rows], pa.int64()),
                "guide_store_id": pa.array([one.guide_store_id for _, one in rows], pa.int64()),
            }
        ),
    )
    bulk.execute(_OWNED, {"brand_id": brand_id, "at": clock.now(), "correlation_id": context.correlation_id()})


def _note_homes(brand_id: int, reason: str, homes: Sequence[tuple[int, int | None, datetime]]) -> None:
    rows = [row for row in homes if row[1] is not None]
    if not rows:
        return
    bulk.stage(
        "staged_home",
        pa.table(
            {
                "member_id": pa.array([row[0] for row in rows], pa.int64()),
                "store_id": pa.array([row[1] for row in rows], pa.int64()),
                "at": pa.array([row[2] for row in rows], pa.timestamp("us", "UTC")),
                "reason": pa.repeat(reason, len(rows)),
            }
        ),
    )
    bulk.execute(_HOMES, {"brand_id": brand_id, "correlation_id": context.correlation_id()})


def _take_numbers(brand_id: int, members: Sequence[int]) -> dict[int, str]:
    """A free number for each member, drawn again where one was taken."""
    numbers: dict[int, str] = {}
    while left := [member for member in members if member not in numbers]:
        drawn: dict[str, int] = {}
        for member in left:
            while (number := number_from(secrets.randbelow(900_000_000) + 100_000_000)) in drawn:
                continue
            drawn[number] = member
        bulk.stage(
            "staged_number",
            pa.table(
                {
                    "number": pa.array(list(drawn), pa.string()),
                    "member_id": pa.array(list(drawn.values()), pa.int64()),
                }
            ),
        )
        numbers |= dict(bulk.fetch(_NUMBERS, {"brand_id": brand_id}))
    return numbers
