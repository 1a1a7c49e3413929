"""Members for tests: a person with ids, a membership, an owning guide, and the relation to the guide in WeCom."""

from __future__ import annotations

import itertools
from datetime import date, datetime

from factories import World

from app.channels import commands as channels
from app.core import clock
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.org.models import Guide, Store

_numbers = itertools.count(1)


def make_member(
    world: World,
    *,
    guide: Guide | None = None,
    store: Store | None = None,
    name: str = "王小美",
    phone: str | None = None,
    birthday: date | None = None,
    joined_at: datetime | None = None,
) -> int:
    """A member of the world's brand; with `guide`, owned by that guide. Runs in the open transaction."""
    n = next(_numbers)
    phone = phone or f"139{n:08d}"
    person = identity.link(
        ids=[Identity("openid", world.miniprogram.namespace, f"openid-{n}"), Identity("mobile", "", phone)],
        source="test",
    ).person_id
    member_id = members.join(
        brand_id=world.brand_id,
        person_id=person,
        source="miniapp",
        store_id=store.id if store else None,
        name=name,
        phone_tail=phone[-4:],
        birthday=birthday,
        joined_at=joined_at,
    )
    if guide is not None:
        members.assign_guide(
            brand_id=world.brand_id, member_id=member_id, guide_id=guide.id, store_id=guide.store_id, reason="added"
        )
    return member_id


def make_follow(world: World, guide: Guide, *, external_userid: str, person_id: int, name: str = "小美") -> None:
    """The guide follows a customer in WeCom who is this person."""
    channels.record_follow(
        corp_id=guide.corp_id,
        userid=guide.userid,
        external_userid=external_userid,
        brand_id=world.brand_id,
        guide_id=guide.id,
        person_id=person_id,
        at=clock.now(),
    )
    channels.describe_contact(
        corp_id=guide.corp_id, external_userid=external_userid, name=name, avatar=None, type=1, gender=2
    )
