"""Members who are merged and parted in tests, and what their books say."""

from __future__ import annotations

from typing import Any

from factories import World
from people import make_member
from sqlalchemy import select

from app.core.db import db, session
from app.core.transaction import transaction
from app.flows import merge as merge_flow
from app.flows import split as split_flow
from app.identity.models import PersonMerge
from app.members.models import Member, MemberMerge

# What is worked out anew whenever it is asked for, and the moment at which it was.
_NOT_KEPT = {"member_trait", "member", "segment_snapshot"}
_LOOKUPS = ("order_number", "refund_number", "coupon_code", "twin_code")


def members(world: World, count: int) -> list[int]:
    """Members of a world, in the order in which they win over each other."""
    with transaction():
        return [make_member(world, store=world.store) for _ in range(count)]


def person_of(world: World, member_id: int) -> int:
    row = session.get_one(Member, (world.brand_id, member_id), populate_existing=True)
    return row.origin_person_id or row.person_id


def together(world: World, one: int, other: int) -> None:
    """In the open transaction: merge the persons of two members, and the members with them; the older person's wins."""
    merge_flow.merge(
        brand_id=world.brand_id,
        person_id=person_of(world, one),
        other_id=person_of(world, other),
        source="test",
        by="test",
    )


def merge(world: World, one: int, other: int) -> None:
    with transaction():
        together(world, one, other)


def split(world: World, loser: int) -> None:
    """Take back the merge in which a member's person lost."""
    with transaction():
        merge_id = session.scalars(
            select(PersonMerge.merge_id).where(
                PersonMerge.loser_id == person_of(world, loser), PersonMerge.revoked_at.is_(None)
            )
        ).one()
        split_flow.split(merge_id=merge_id, by="test", reason="two people")


def merge_again(world: World, loser: int) -> None:
    """Fold what came late, as the subscriber of members.merged does."""
    with transaction():
        edge = session.scalars(
            select(MemberMerge).where(MemberMerge.loser_id == loser, MemberMerge.revoked_at.is_(None))
        ).one()
        merge_flow.fold(merge_flow.merging.Fold(world.brand_id, edge.winner_id, loser, edge.merge_id))


def books(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the members of a brand have, table by table, as it must be again after a merge and a split.

    Left out are the pairs of journals that merges wrote (they cancel out), and rows that say nothing: balances of
    zero and emptied lots of somebody else's.
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    with transaction():
        for table in db.metadata.sorted_tables:
            moves = table.info.get("merge") in ("moves", "transfers") or table.name in ("member_tier", *_LOOKUPS)
            if not moves or table.name in _NOT_KEPT:
                continue
            rows = [row._mapping for row in session.execute(select(table).where(table.c.brand_id == world.brand_id))]
            found[table.name] = sorted(
                tuple(str(value) for value in row.values()) for row in rows if _says_something(table.name, row)
            )
        merges = set(
            session.scalars(
                select(db.metadata.tables["journal"].c.journal_id).where(
                    db.metadata.tables["journal"].c.kind == "merge"
                )
            )
        )
        posting = db.metadata.tables["posting"]
        found["posting"] = sorted(
            tuple(str(value) for value in row)
            for row in session.execute(select(posting).where(posting.c.brand_id == world.brand_id))
            if row.journal_id not in merges
        )
    return found


def _says_something(table: str, row: Any) -> bool:
    if table == "journal":
        return bool(row["kind"] != "merge")
    if table == "balance":
        return bool(row["amount"])
    if table == "lot":
        return row["origin_member_id"] is None or bool(row["remaining"])
    return True
