"""Members of another system: known by the ids of a row, new where nobody has any of them.

Rows whose ids nobody has, and rows whose ids are all one person's, are written by statements over the whole chunk.
What is left (some ids known and some not, or known of several) goes through `people.link` row by row, with its clashes
and reviews. A row's own id in its system is the anchor; an import is hearsay, so it never brings an erased person back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.core.db import session
from app.core.errors import Busy, SiyuError
from app.flows import people
from app.flows.till_member import card_identity
from app.identity import bulk as identity
from app.identity import queries as identity_queries
from app.identity.errors import IdentityErased
from app.identity.rules import Identity, is_blocked, mobile
from app.imports import wording
from app.imports.commands import Tally
from app.members import bulk as members
from app.members import commands as member_commands
from app.members.bulk import Facts
from app.points import opening
from app.points import queries as points_queries
from app.points.models import GROWTH, POINTS
from app.privacy import queries as privacy
from app.segments import bulk as segments
from app.segments.tagging import is_name
from app.tiers import commands as tier_commands
from app.tiers import opening as tiers
from app.tiers import queries as tier_queries
from app.tiers.rules import Standing, step_for

from .cells import Cells
from .ground import Ground

SOURCE = "import"
GENDERS = {
    name: code
    for code, names in {
        "0": ("0", "未知", "保密"),
        "1": ("1", "男", "male", "m"),
        "2": ("2", "女", "female", "f"),
    }.items()
    for name in names
}
MOST = 1_000_000_000
_NOBODY, _ERASED = "identity_blocked", "identity_erased"
_REASONS = {_NOBODY: wording.NOBODY, _ERASED: wording.ERASED, Busy.code: wording.BUSY}


@dataclass
class Row:
    """One human as a row tells of them. `ids`: the anchor first; `place` is the row's in its chunk."""

    place: int
    ids: list[Identity]
    facts: Facts
    opening: dict[str, int] = field(default_factory=dict)
    cause: str = ""
    tier: str | None = None
    tags: list[str] = field(default_factory=list)
    member_id: int | None = None


@dataclass
class Prepared:
    cells: Cells
    rows: list[Row]


@dataclass
class Enrolled:
    """What became of rows: members made by whole statements, made or met one by one, and known before (changed ones
    among them in `changed`). `refused`: codes by place."""

    made: set[int] = field(default_factory=set)
    met: set[int] = field(default_factory=set)
    joined: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)


def prepare(ground: Ground, table: pa.Table) -> Prepared:
    """Check a chunk's rows; touches no database."""
    cells = ground.cells(table)
    columns: dict[str, Any] = {
        name: cells.text(name)
        for name in ("source_id", "phone", "card_no", "unionid", "mall_account", "staff_id", "name", "tags", "tier")
    }
    columns |= {
        "gender": cells.choice("gender", GENDERS, "0"),
        "birthday": cells.day("birthday"),
        "store_id": cells.known("store", "store_unknown", wording.STORE_UNKNOWN, ground.stores),
        "guide_id": cells.known("guide", "guide_unknown", wording.GUIDE_UNKNOWN, ground.guide_ids),
        "joined_at": cells.moment("joined_at"),
        "points": cells.whole("points", 0, MOST),
        "growth": cells.whole("growth", 0, MOST),
    }
    if cells.has("tier"):
        known = pc.is_in(columns["tier"], value_set=pa.array(list(ground.tiers), pa.string()))
        wrong = pc.and_(pc.is_valid(columns["tier"]), pc.invert(known))
        cells.refuse(wrong, "tier_unknown", "tier", wording.TIER_UNKNOWN)
    seen: set[str] = set()
    for place, source_id in enumerate(columns["source_id"].to_pylist()):
        if source_id in seen:
            cells.refuse_row(place, "twice", "source_id", wording.TWICE)
        elif source_id is not None:
            seen.add(source_id)
    stores = dict(ground.guides.values())
    rows = []
    table = pa.table({**columns, "place": pa.array(range(cells.count), pa.int64())}).filter(cells.good())
    for told in table.to_pylist():
        try:
            rows.append(_row(ground, told, stores))
        except SiyuError:
            cells.refuse_row(told["place"], "phone_invalid", "phone", wording.PHONE_INVALID)
    return Prepared(cells, rows)


def write(ground: Ground, prepared: Prepared) -> Tally:
    """Enrol the rows in the open transaction, with tags, opening balances and tiers."""
    cells, rows = prepared.cells, prepared.rows
    done = enrol(ground, rows)
    for place, code in done.refused.items():
        cells.refuse_row(place, code, "", _REASONS.get(code, wording.NOBODY))
    rows = [row for row in rows if row.member_id is not None]
    changed = done.changed | done.met
    changed |= segments.put_all(
        brand_id=ground.brand_id,
        tags={row.member_id: row.tags for row in rows if row.member_id and row.tags},
        said_by=f"import:{ground.source}",
    )
    changed |= _open_balances(ground, rows, done)
    created = len(done.made | done.joined)
    updated = len(changed - done.made - done.joined)
    return Tally(created, updated, len(rows) - created - updated, cells.faults)


def by_phone(ground: Ground, phones: Mapping[str, tuple[int, Any]]) -> dict[str, int]:
    """Members with these phones, made where there is none: phone as in the file -> (home store, joined at)."""
    rows, named = [], {}
    for place, (phone, (store_id, joined_at)) in enumerate(phones.items()):
        try:
            number = mobile(phone)
        except SiyuError:
            continue
        facts = Facts(phone_tail=number.value[-4:], home_store_id=store_id, joined_at=joined_at)
        named[phone] = Row(place, [number], facts)
        rows.append(named[phone])
    done = enrol(ground, rows)
    _place(ground, [row for row in rows if row.member_id in done.made | done.joined])
    return {phone: row.member_id for phone, row in named.items() if row.member_id is not None}


def enrol(ground: Ground, rows: Sequence[Row]) -> Enrolled:
    """Find or make the member of each row (`row.member_id`), and fill in what is known of them."""
    done = Enrolled()
    owners = _told(rows, done)
    new, known, contested = _sorted(rows, owners, done)
    if new:
        persons = identity.found([row.ids for row in new], source=f"{SOURCE}:{ground.source}")
        if persons is None:  # somebody else told of one of these ids meanwhile: look again
            raise Busy(retry_after=0.2)
        joining = [(person, row.facts) for person, row in zip(persons, new, strict=True)]
        for row, member_id in zip(
            new, members.join_all(brand_id=ground.brand_id, joining=joining, source=SOURCE), strict=True
        ):
            row.member_id = member_id
            done.made.add(member_id)
    while known:  # a second row of one person is looked at after the first is written
        standing = members.of_persons(ground.brand_id, [person for _, person in known])
        filled: list[tuple[int, Facts, Facts]] = []
        later: list[tuple[Row, int]] = []
        seen: set[int] = set()
        for row, person in known:
            if person not in standing:  # a member of another brand
                contested.append(row)
            elif person in seen:
                later.append((row, person))
            else:
                seen.add(person)
                row.member_id = standing[person][0]
                filled.append((*standing[person], row.facts))
        done.changed |= members.fill(brand_id=ground.brand_id, known=filled)
        known = later
    for row in sorted(contested, key=lambda one: one.place):
        _link(ground, row, done)
    return done


def _row(ground: Ground, told: Mapping[str, Any], stores: Mapping[int, int]) -> Row:
    system = ground.members_of
    ids = [Identity("import", system, told["source_id"])]
    if told["unionid"] and ground.open_platform:
        ids.append(Identity("unionid", ground.open_platform, told["unionid"]))
    if told["card_no"]:
        ids.append(card_identity(ground.brand_id, told["card_no"]))
    if told["mall_account"]:
        ids.append(Identity("mall", system, told["mall_account"]))
    if told["staff_id"]:
        ids.append(Identity("staff", system, told["staff_id"]))
    number = mobile(told["phone"]) if told["phone"] else None
    if number is not None:
        ids.append(number)
    return Row(
        place=told["place"],
        ids=ids,
        facts=Facts(
            card_no=told["card_no"],
            name=told["name"],
            phone_tail=number.value[-4:] if number else None,
            gender=int(told["gender"]),
            birthday=told["birthday"],
            home_store_id=told["store_id"],
            guide_id=told["guide_id"],
            guide_store_id=stores.get(told["guide_id"]),
            joined_at=told["joined_at"],
        ),
        opening={currency: told[currency] for currency in (POINTS, GROWTH) if told[currency]},
        cause=f"import:{ground.source}:{told['source_id']}",
        tier=told["tier"],
        tags=[name for name in _split(told["tags"]) if is_name(name)],
    )


def _split(tags: str | None) -> list[str]:
    for sign in (";", "；", "，", ",", "、"):
        tags = (tags or "").replace(sign, "|")
    return list(dict.fromkeys(name.strip() for name in (tags or "").split("|") if name.strip()))


def _told(rows: Sequence[Row], done: Enrolled) -> dict[Identity, int]:
    """Who owns which of the rows' ids. Ids that identify nobody, or an erased person, leave their rows."""
    distinct = list(dict.fromkeys(one for row in rows for one in row.ids))
    tombs = identity.any_erased()
    digests = [identity_queries.digest_of(one) for one in distinct] if tombs else None
    identity.stage([one.key for one in distinct], digests)
    owners = {distinct[place]: person for place, person in identity.owners().items()}
    gone = {distinct[place] for place in identity.entombed()} - set(owners) if tombs else set()
    blocked = {distinct[place] for place in identity.blocked()} | {one for one in distinct if is_blocked(one)}
    for row in rows:
        left = [one for one in row.ids if one not in blocked and one not in gone]
        # Ids told together with an erased person's are theirs too, unless somebody who lives has them.
        if not left or (any(one in gone for one in row.ids) and not any(one in owners for one in left)):
            done.refused[row.place] = _ERASED if any(one in gone for one in row.ids) else _NOBODY
        if any(one.kind == "mobile" and one not in left for one in row.ids):
            row.facts = replace(row.facts, phone_tail=None)
        row.ids = left
    return owners


def _sorted(
    rows: Sequence[Row], owners: Mapping[Identity, int], done: Enrolled
) -> tuple[list[Row], list[tuple[Row, int]], list[Row]]:
    """Rows that nobody is behind, rows that one person is behind with all their ids, and the rest."""
    new: list[Row] = []
    known: list[tuple[Row, int]] = []
    contested: list[Row] = []
    taken: set[Identity] = set()
    for row in rows:
        if row.place in done.refused:
            continue
        persons = {owners[one] for one in row.ids if one in owners}
        if not persons and not taken.intersection(row.ids):
            new.append(row)
            taken.update(row.ids)
        elif len(persons) == 1 and all(one in owners for one in row.ids):
            known.append((row, persons.pop()))
        else:
            contested.append(row)
    return new, known, contested


def _link(ground: Ground, row: Row, done: Enrolled) -> None:
    """One row by the rules of identity: it may join ids, merge persons, or open a review."""
    facts = row.facts
    try:
        with session.begin_nested():
            linked = people.link(
                brand_id=ground.brand_id,
                ids=row.ids,
                source=f"{SOURCE}:{ground.source}",
                evidence={"import": ground.job_id},
                passive=True,
            )
            if privacy.left(ground.brand_id, linked.person_id):
                raise IdentityErased()
            before = members.of_persons(ground.brand_id, [linked.person_id])
            row.member_id = member_commands.join(
                brand_id=ground.brand_id,
                person_id=linked.person_id,
                source=SOURCE,
                store_id=facts.home_store_id,
                card_no=facts.card_no,
                name=facts.name,
                phone_tail=facts.phone_tail if linked.conflict is None else None,
                birthday=facts.birthday,
                gender=facts.gender,
                joined_at=facts.joined_at,
            )
            _, known = members.of_persons(ground.brand_id, [linked.person_id])[linked.person_id]
            members.fill(brand_id=ground.brand_id, known=[(row.member_id, known, replace(facts, phone_tail=None))])
    except IdentityErased:
        done.refused[row.place] = _ERASED
    except SiyuError as error:
        done.refused[row.place] = error.code
    else:
        (done.met if before else done.joined).add(row.member_id)


def _open_balances(ground: Ground, rows: Sequence[Row], done: Enrolled) -> set[int]:
    """Opening balances once per member and source, then tiers; whose balance changed."""
    rule = points_queries.rule(ground.brand_id)
    changed: set[int] = set()
    grown: set[int] = set()
    for currency in (POINTS, GROWTH):
        rounds: list[dict[int, tuple[int, str, int]]] = []
        times: dict[int, int] = defaultdict(int)
        for row in rows:
            if row.member_id is None or not row.opening.get(currency):
                continue
            turn = times[row.member_id]  # two rows of one member are two openings
            times[row.member_id] += 1
            if turn == len(rounds):
                rounds.append({})
            rounds[turn][row.member_id] = (row.member_id, row.cause, row.opening[currency])
        for openings in rounds:
            opened = opening.open_balances(
                brand_id=ground.brand_id,
                currency=currency,
                openings=sorted(openings.values()),
                at=ground.now,
                expires_at=rule.end(ground.now) if rule and currency == POINTS else None,
            )
            changed |= opened
            grown |= opened if currency == GROWTH else set()
    _place(ground, [row for row in rows if row.member_id in done.made | done.joined])
    for member_id in sorted(grown - done.made - done.joined):
        tier_commands.place(brand_id=ground.brand_id, member_id=member_id, at=ground.now)
    return changed


def _place(ground: Ground, rows: Sequence[Row]) -> None:
    """Put new members on the tier the file names or their growth reaches, whichever is higher."""
    standing: Standing = tier_queries.standing(ground.brand_id, 0)
    if not standing.ladder or not rows:
        return
    named = {row.member_id: ground.tiers[row.tier] for row in rows if row.member_id is not None and row.tier}
    member_ids = sorted({row.member_id for row in rows if row.member_id is not None})
    since: datetime = standing.window_start(ground.now)
    growth = tiers.unplaced(brand_id=ground.brand_id, member_ids=member_ids, since=since)
    ranks = {step.tier_id: step.rank for step in standing.ladder}
    placed = {}
    for member_id, amount in growth.items():
        reached = step_for(standing.ladder, amount)
        candidates = [one for one in (reached.tier_id if reached else None, named.get(member_id)) if one is not None]
        if candidates:
            placed[member_id] = max(candidates, key=ranks.__getitem__)
    tiers.place_all(brand_id=ground.brand_id, tiers=placed, at=ground.now)
