"""A guide signed in through the simulator's OAuth, and a customer of theirs who is a member with a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from factories import World
from people import make_follow, make_member
from sqlalchemy import select
from tagging import tagged
from tencent import Tencent

from app.content import commands as content
from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.members import commands as members
from app.members import queries as member_queries
from app.org.models import Guide
from app.sop import commands as sop
from app.sop.models import GuideTask
from app.sop.rules import Step

API = "/api/sidebar/v1"


@dataclass
class Counter:
    """Guides at work: `sign_in(guide)` puts the session cookie of one into the client."""

    client: Any
    world: World
    tencent: Tencent
    member_id: int = 0
    task_id: str = ""
    campaign: int = 0
    public_campaign: int = 0

    def enter(self, **query: str) -> tuple[str, str]:
        """Open the page's entry; the state it sent the browser away with, and where to."""
        answer = self.client.get("/sidebar/", query_string=query)
        assert answer.status_code == 302, answer.get_data(as_text=True)
        return parse_qs(urlsplit(answer.location).query)["state"][0], answer.location

    def code(self, userid: str) -> str:
        return str(self.tencent.engine.codes.issue("oauth", self.tencent.corp_id, userid, scope="snsapi_base"))

    def sign_in(self, guide: Guide, **query: str) -> Any:
        state, _ = self.enter(**query)
        return self.client.get("/sidebar/callback", query_string={"code": self.code(guide.userid), "state": state})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{API}/{path}", query_string=query)

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return self.client.post(f"{API}/{path}", json=body, headers=headers)


@pytest.fixture
def counter(client: Any, world: World, tencent: Tencent, run_work: Any) -> Counter:
    """World with the customer `wm-1` of the first guide: a member with a task that promises a coupon."""
    brand = world.brand_id
    with transaction():
        material = content.save_material(
            brand_id=brand, code="gift", kind="text", title="新人礼", body="{name}您好，{coupon}送给您。{store} {guide}"
        )
        content.save_material(
            brand_id=brand, code="new", kind="link", title="新品到店", body="来看看", link_url="https://example.com/n"
        )
        campaign, public = (
            coupons.create_campaign(
                brand_id=brand,
                code=code,
                name=name,
                terms=Terms(kind="threshold", amount_fen=5000, threshold_fen=30000, valid_days=30),
                quota=10,
                claimable=claimable,
            )
            for code, name, claimable in (("sop", "新人券", False), ("open", "满减券", True))
        )
        sop.save(
            brand_id=brand,
            code="bound",
            name="新会员关怀",
            trigger={"event": "members.bound"},
            steps=[
                Step(title="送上新人礼", material_id=material, campaign_id=campaign),
                Step(title="电话回访", action="call"),
            ],
        )
        member = make_member(world, guide=world.guide, phone="13912345670")
        found = member_queries.member(brand, member)
        assert found is not None
        make_follow(world, world.guide, external_userid="wm-1", person_id=found.person_id, name="阿宁")
        tagged(brand, member, "敏感肌")
        members.bind(brand_id=brand, member_id=member, phone_tail="5670")
    run_work()
    with transaction():
        first = session.scalars(select(GuideTask).order_by(GuideTask.task_id)).first()
        assert first is not None
    return Counter(client, world, tencent, member, ids.encode("tsk", first.task_id), campaign, public)
