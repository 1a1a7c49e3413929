"""A brand with one SOP on binding and a campaign its step promises; Tencent is the simulator's engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import responses
from factories import World, make_world

from app.content import commands as content
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.sop import commands as sop
from app.sop.rules import Step
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.responses_bridge import register


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


@pytest.fixture
def tencent(world: World) -> Iterator[Engine]:
    """The simulator behind the gateways, with the world's corp and staff."""
    engine = Engine(clock=time.time)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        client = register(mock, engine, hosts=("http://wecom.test", "http://wechat.test")).test_client()
        answer = client.post(
            "/_control/seed",
            json={
                "corps": [
                    {
                        "corp_id": world.wecom.namespace,
                        "apps": [{"agent_id": world.wecom.agent_id, "secret": "wecom-secret"}],
                    }
                ],
                "staff": [{"userid": guide.userid, "name": guide.name} for guide in world.guides],
            },
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        yield engine
