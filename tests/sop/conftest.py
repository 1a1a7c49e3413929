"""A brand with one SOP on binding and a campaign its step promises."""

from __future__ import annotations

import pytest
from factories import World, make_world

from app.content import commands as content
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.sop import commands as sop
from app.sop.rules import Step


@pytest.fixture
def world(app) -> World:  # type: ignore[no-untyped-def]
    world = make_world()
    brand = world.brand_id
    with transaction():
        material = content.save_material(brand_id=brand, code="thanks", kind="text", title="感谢", body="{name}您好")
        campaign = coupons.create_campaign(
            brand_id=brand,
            code="new",
            name="新人券",
            terms=Terms(kind="amount", amount_fen=5000, valid_days=30),
            quota=100,
        )
        world.extra["material"], world.extra["campaign"] = material, campaign
        world.extra["sop"] = sop.save(
            brand_id=brand,
            code="bound",
            name="新会员关怀",
            trigger={"event": "members.bound"},
            steps=[
                Step(title="送上新人礼", material_id=material, campaign_id=campaign),
                Step(title="三天后回访", action="call", day_offset=3, local_time="10:00"),
            ],
        )
    return world
