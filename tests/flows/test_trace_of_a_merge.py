"""A merged member's journey is the winner's: any of its ids leads to all of both, and the merge is a step of it."""

from __future__ import annotations

from contradictions import contradiction
from factories import World
from sqlalchemy import select

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.flows import reviews, split
from app.flows.trace import trace
from app.identity.models import PersonMerge
from app.members import queries as members


def test_either_members_ids_lead_to_the_journey_of_both(world: World) -> None:
    review, old, young = contradiction(world)
    with transaction():
        reviews.decide(review_id=ids.decode("rev", review), same=True, by="test", reason="电话核实")
        number = members.member(world.brand_id, young).number  # type: ignore[union-attr]
    starts = [ids.encode("mbr", old), ids.encode("mbr", young), number]
    journeys = [trace(start, brand_id=world.brand_id) for start in starts]
    for journey in journeys:
        assert {member_id for _, member_id in journey.members} == {old, young}
        (merge,) = [step for step in journey.steps if step.table == "member_merge"]
        assert (merge.facts["winner_id"], merge.facts["loser_id"]) == (ids.encode("mbr", old), ids.encode("mbr", young))
        assert {"identity_review", "person_merge"} <= {step.table for step in journey.steps}


def test_a_split_parts_the_journeys_again(world: World) -> None:
    review, old, young = contradiction(world)
    with transaction():
        reviews.decide(review_id=ids.decode("rev", review), same=True, by="test", reason="电话核实")
    with transaction():
        merge_id = session.scalars(select(PersonMerge.merge_id)).one()
        split.split(merge_id=merge_id, by="test", reason="两位顾客")
    for member_id in (old, young):
        journey = trace(ids.encode("mbr", member_id), brand_id=world.brand_id)
        assert journey.members == [(world.brand_id, member_id)]
        assert "taken back" in {step.what for step in journey.steps if step.table == "person_merge"}
