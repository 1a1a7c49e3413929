"""A member who adds two guides in one moment has one owner, told once; one who is merged meanwhile keeps the guide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from at_once import at_once, until_waiting
from factories import make_world
from people import make_member
from sqlalchemy import func, select

from app.channels import commands as channels
from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.flows import merge, people
from app.members import queries as members
from app.members.models import GuideHistory

ROUNDS = 5


def _add(brand_id: int, corp_id: str, person_id: int, external_userid: str, guide_id: int, userid: str) -> None:
    with transaction():
        channels.record_follow(
            corp_id=corp_id,
            userid=userid,
            external_userid=external_userid,
            brand_id=brand_id,
            guide_id=guide_id,
            person_id=person_id,
            at=clock.now(),
        )
        people.adopt(brand_id=brand_id, person_id=person_id)


def test_two_guides_added_at_once_are_one_owner(app) -> None:
    world = make_world()
    brand_id, corp_id = world.brand_id, world.wecom.namespace
    guides = [(guide.id, guide.userid) for guide in world.guides[:2]]
    for number in range(ROUNDS):
        with transaction():
            member = members.member(brand_id, make_member(world, phone=f"1390000000{number}"))
            assert member is not None and member.guide_id is None
            customer = (brand_id, corp_id, member.person_id, f"wm-{number}")
        at_once(app, [partial(_add, *customer, *one) for one in guides])
    with transaction():
        assert session.scalar(select(func.count()).select_from(GuideHistory)) == ROUNDS


def test_a_guide_added_while_the_member_is_merged_is_the_living_ones(app) -> None:
    world = make_world()
    with transaction():
        winner, loser = make_member(world), make_member(world)
    with transaction():
        one, two = (members.member(world.brand_id, member_id) for member_id in (winner, loser))
    merged = Event()

    def unite() -> None:
        with app.app_context(), transaction():
            merge.merge(
                brand_id=world.brand_id, person_id=one.person_id, other_id=two.person_id, source="test", by="test"
            )
            merged.set()
            until_waiting()

    with ThreadPoolExecutor(1) as console:
        done = console.submit(unite)
        assert merged.wait(20)
        _add(world.brand_id, world.wecom.namespace, two.person_id, "wm-1", world.guide.id, world.guide.userid)
        done.result()
    with transaction():
        assert members.member(world.brand_id, winner).guide_id == world.guide.id
        assert members.member(world.brand_id, loser).guide_id is None
