"""What a campaign changed, over the API and as the card of its page."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import Pages, bearer, make_admins
from coupon_factories import campaign
from factories import World, make_world
from loyalty import an_order
from people import make_member

from app.core import ids
from app.core.transaction import transaction
from app.coupons.events import PushAdvanced
from app.flows import push as pushes
from app.flows.order_paid import order_paid
from app.org.models import AdminUser
from app.segments import commands as segments

API = "/api/admin/v1"
EVERYBODY = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


def _pushed(world: World, campaign_id: int, *, hold_out_bp: int) -> str:
    """Push a campaign to everybody, to its end; the push's public id."""
    with transaction():
        segment = segments.save_segment(brand_id=world.brand_id, name="所有会员", rule=EVERYBODY)
        push = pushes.start(
            brand_id=world.brand_id,
            campaign_id=campaign_id,
            segment_id=segment,
            hold_out_bp=hold_out_bp,
            created_by="adm_1",
        )
    for _ in range(2):
        with transaction():
            pushes.go_on(
                PushAdvanced(brand_id=world.brand_id, push_id=push.push_id, campaign_id=campaign_id), chunk=1000
            )
    return ids.encode("psh", push.push_id)


def _shopped(world: World) -> tuple[str, str]:
    """A campaign of which somebody was held out, and a push of it: 20 members in each store, all of whom bought."""
    campaign_id = campaign(world, quota=100)
    with transaction():
        members = [make_member(world, store=store) for store in world.stores for _ in range(20)]
    push = _pushed(world, campaign_id, hold_out_bp=5000)
    with transaction():
        for number, member_id in enumerate(members):
            order = an_order(f"L{number}", 1_000, store_id=world.store.id)
            order_paid(brand_id=world.brand_id, member_id=member_id, order=order)
    return ids.encode("cmp", campaign_id), push


def test_a_campaign_of_one_push_tells_what_the_push_tells(
    client: Any, world: World, admins: dict[str, AdminUser]
) -> None:
    campaign_id, push = _shopped(world)
    hq = bearer(admins["hq"])
    found = client.get(f"{API}/campaigns/{campaign_id}/lift?days=7", headers=hq).json
    assert (found.pop("pushes"), found.pop("uneven")) == (1, False)
    rows = found.pop("stores")
    assert found["got"]["members"] + found["held_out"]["members"] == 40
    assert found == client.get(f"{API}/coupon-pushes/{push}/lift?days=7", headers=hq).json
    assert {row["store"] for row in rows} == {"S001", "S002"}
    for side in ("got", "held_out"):
        for figure in ("members", "buyers", "paid_fen"):
            assert sum(row[side][figure] for row in rows) == found[side][figure]
    assert all(row["share_interval"] is row["fen_interval"] is None for row in rows)  # of twenty each
    dealer = client.get(f"{API}/campaigns/{campaign_id}/lift?days=7", headers=bearer(admins["dealer"])).json
    assert dealer["stores"] == [row for row in rows if row["store"] == "S002"]
    assert dealer["got"] == dealer["stores"][0]["got"] and dealer["held_out"] == dealer["stores"][0]["held_out"]


def test_what_there_is_no_lift_of(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    hq = bearer(admins["hq"])
    alone = ids.encode("cmp", campaign(world))
    found = client.get(f"{API}/campaigns/{alone}/lift", headers=hq).json
    assert (found["pushes"], found["stores"], found["share"], found["fen"]) == (0, [], None, None)
    for unknown in ("cmp_nonsense", ids.encode("cmp", 5)):
        answer = client.get(f"{API}/campaigns/{unknown}/lift", headers=hq)
        assert (answer.status_code, answer.json["code"]) == (404, "campaign_unknown")
    assert client.get(f"{API}/campaigns/{alone}/lift?days=0", headers=hq).status_code == 422


def test_the_page_fetches_a_card_that_says_it_in_words(
    client: Any, world: World, admins: dict[str, AdminUser]
) -> None:
    campaign_id, push = _shopped(world)
    hq = Pages(client, admins["hq"])
    home = hq.get(f"campaigns/{campaign_id}?days=7").text
    assert f'id="lift" hx-get="/console/campaigns/{campaign_id}/lift?days=7" hx-trigger="load"' in home
    card = hq.get(f"campaigns/{campaign_id}/lift?days=7").text
    for told in ("活动效果", "收到券", "对照组", "购买率变化", "人均实付", "<b>7 天</b>", "汇总 1 次", "人数太少"):
        assert told in card, told
    assert f'href="/console/campaigns/{campaign_id}?days=14#lift"' in card
    assert world.stores[0].name in card and world.stores[1].name in card
    assert "只统计归属您可见门店的会员" not in card and "对照组比例不同" not in card
    assert "<html" not in card
    pushed = hq.get(f"coupon-pushes/{push}?days=7").text
    assert all(told in pushed for told in ("推送效果", "购买率变化", "<b>7 天</b>", "是否用券都计入"))
    seen = Pages(client, admins["dealer"]).get(f"campaigns/{campaign_id}/lift").text
    assert "只统计归属您可见门店的会员" in seen
    assert world.stores[1].name in seen and world.stores[0].name not in seen


def test_the_card_says_that_nobody_was_held_out(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    campaign_id = campaign(world)
    with transaction():
        make_member(world)
    _pushed(world, campaign_id, hold_out_bp=0)
    public = ids.encode("cmp", campaign_id)
    card = Pages(client, admins["hq"]).get(f"campaigns/{public}/lift").text
    assert "该活动没有设对照组的推送，无法衡量效果" in card and "购买率变化" not in card
    assert Pages(client, admins["hq"]).get("campaigns/cmp_nonsense/lift").status_code == 404


def test_the_card_warns_where_pushes_held_out_different_shares(
    client: Any, world: World, admins: dict[str, AdminUser]
) -> None:
    campaign_id, _ = _shopped(world)
    _pushed(world, ids.decode("cmp", campaign_id), hold_out_bp=1000)
    assert "对照组比例不同" in Pages(client, admins["hq"]).get(f"campaigns/{campaign_id}/lift").text
