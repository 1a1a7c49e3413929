"""A shopper and a store card whom a phone would join, though both are members: a case for headquarters."""

from __future__ import annotations

from datetime import date
from typing import Any

from factories import World

from app.core import clock, ids
from app.core.transaction import transaction
from app.flows import people, till_member
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.points import commands as points

PHONE = "13712345678"


def openid(world: World, name: str) -> Identity:
    return Identity("openid", world.miniprogram.namespace, f"openid-of-{name}")


def shopper(world: World, name: str, *, unionid: str | None = None) -> tuple[int, int]:
    ids_of = [openid(world, name)] + ([Identity("unionid", "open1", unionid)] if unionid else [])
    with transaction():
        person = people.link(brand_id=world.brand_id, ids=ids_of, source="miniapp.login").person_id
        return person, members.join(brand_id=world.brand_id, person_id=person, source="miniapp")


def card(world: World, number: str = "C1", *, worth: int = 300) -> int:
    with transaction():
        member = till_member.open_card(
            brand_id=world.brand_id,
            store_id=world.store.id,
            card_no=number,
            phone=PHONE,
            name="王小美",
            birthday=date(1990, 5, 1),
        ).member
        points.earn(
            brand_id=world.brand_id,
            member_id=member.member_id,
            currency="points",
            amount=worth,
            cause=f"t:{number}",
            at=clock.now(),
        )
    return member.member_id


def contradiction(world: World, name: str = "a", **facts: Any) -> tuple[str, int, int]:
    """A shopper and a card that a phone would join; the review's public id and both members."""
    old = card(world)
    _, young = shopper(world, name, **facts)
    with transaction():
        linked = people.link(brand_id=world.brand_id, ids=[openid(world, name), mobile(PHONE)], source="mall")
    assert linked.conflict is not None
    return ids.encode("rev", linked.conflict), old, young
