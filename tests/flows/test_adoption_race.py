"""A member who adds two guides in one moment has one owner, told once."""

from __future__ import annotations

from functools import partial

from at_once import at_once
from factories import make_world
from people import make_member
from sqlalchemy import func, select

from app.channels import commands as channels
from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.flows import people
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
