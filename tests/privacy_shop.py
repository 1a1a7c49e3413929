"""A brand with a published policy, one SOP on binding, and a member of the first guide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from factories import World, make_world
from people import make_member

from app.content import commands as content
from app.core import clock
from app.core.transaction import transaction
from app.identity import queries as identity
from app.members import queries as members
from app.miniapp import auth as miniapp_auth
from app.org.models import Guide
from app.privacy import commands as privacy
from app.sidebar import auth as sidebar_auth
from app.sop import commands as sop
from app.sop.rules import Step


@dataclass
class Shop:
    """`member` is the first guide's and has `person` behind it."""

    world: World
    member: int
    person: int

    @property
    def brand(self) -> int:
        return self.world.brand_id

    def say(self, granted: bool, purpose: str = "marketing", channel: str = "any", person: int = 0, **more) -> bool:  # type: ignore[no-untyped-def]
        with transaction():
            return privacy.record(
                brand_id=self.brand,
                person_id=person or self.person,
                purpose=purpose,
                granted=granted,
                channel=channel,
                source="miniapp",
                **more,
            )


def publish(brand_id: int, version: str = "2026-01") -> None:
    with transaction():
        privacy.publish_policy(
            brand_id=brand_id, version=version, digest="0" * 64, valid_from=clock.now() - timedelta(days=30)
        )


def make_shop() -> Shop:
    """Commit the shop."""
    world = make_world()
    publish(world.brand_id)
    with transaction():
        material = content.save_material(
            brand_id=world.brand_id, code="hi", kind="text", title="问候", body="{name}您好"
        )
        world.extra["material"] = material
        sop.save(
            brand_id=world.brand_id,
            code="bound",
            name="新会员关怀",
            trigger={"event": "members.bound"},
            steps=[
                Step(title="送上新人礼", material_id=material),
                Step(title="回访", action="call", day_offset=3, local_time="10:00"),
            ],
        )
        member = make_member(world, guide=world.guide, phone="13712340001", name="王小美")
    row = members.member(world.brand_id, member)
    assert row is not None
    return Shop(world, member, row.person_id)


def shopper_headers(shop: Shop) -> dict[str, str]:
    """A logged-in shopper who is the shop's member."""
    appid = shop.world.miniprogram.namespace
    openid = identity.values_of(shop.person, "openid", appid)[0]
    token, _ = miniapp_auth.issue(brand_id=shop.brand, person_id=shop.person, openid=openid)
    return {"Authorization": f"Bearer {token}"}


def sign_in_guide(client: Any, guide: Guide) -> None:
    """Give the client the session cookie of a guide."""
    response = client.application.response_class()
    with client.application.test_request_context():
        sidebar_auth.begin(response, guide, secure=False)
    client.set_cookie(sidebar_auth.COOKIE, response.headers["Set-Cookie"].split(";")[0].split("=", 1)[1])
