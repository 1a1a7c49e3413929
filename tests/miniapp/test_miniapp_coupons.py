"""The wallet over HTTP, from the campaign to the code that a till takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import body, campaign, coupon, post, redeem
from factories import World, make_world
from invariants import broken
from sqlalchemy import update

from app.core import clock, ids, tokens
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.commands import sold_out, take
from app.coupons.models import Coupon
from app.coupons.queries import claimable
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.members.models import Member
from app.miniapp import auth

API = "/api/miniapp/v1"


@dataclass
class Shopper:
    client: Any
    member_id: int
    token: str

    def get(self, path: str) -> Any:
        return self.client.get(f"{API}/{path}", headers={"Authorization": f"Bearer {self.token}"})

    def claim(self, campaign_id: int | str, key: str | None) -> Any:
        spelled = campaign_id if isinstance(campaign_id, str) else ids.encode("cmp", campaign_id)
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        return self.client.post(f"{API}/campaigns/{spelled}/claim", headers=headers)


@pytest.fixture
def here(app: Any) -> World:
    return make_world()


@pytest.fixture
def shopper(client: Any, here: World) -> Shopper:
    with transaction():
        person = identity.link(
            ids=[Identity("openid", here.miniprogram.namespace, "openid-1")], source="miniapp", evidence={}
        ).person_id
        member_id = members.join(brand_id=here.brand_id, person_id=person, source="miniapp")
    token, _ = auth.issue(brand_id=here.brand_id, person_id=person, openid="openid-1")
    return Shopper(client, member_id, token)


def test_from_the_campaign_to_the_till(client: Any, here: World, shopper: Shopper) -> None:
    campaign_id = campaign(here, kind="threshold", threshold_fen=2000, amount_fen=300)
    (offer,) = shopper.get("campaigns").json["items"]
    assert offer["id"] == ids.encode("cmp", campaign_id)
    assert offer["summary"] == "满¥20减¥3" and offer["claimable"] and offer["left"] == 1000

    claimed = shopper.claim(campaign_id, "claim-0001")
    assert claimed.status_code == 200, claimed.json
    assert shopper.claim(campaign_id, "claim-0001").json == claimed.json
    assert not shopper.get("campaigns").json["items"][0]["claimable"]

    (card,) = shopper.get("coupons?status=usable").json["items"]
    assert card["id"] == claimed.json["id"] and card["status"] == "claimed" and card["usable"]
    assert shopper.get("me").json["coupons"] == {"usable": 1, "redeemed": 0, "expired": 0}
    shown = shopper.get(f"coupons/{card['id']}/code")
    assert shown.status_code == 200 and 0 < shown.json["expires_in"] <= 60
    assert shown.headers["Cache-Control"] == "no-store"
    with transaction():
        assert session.query(Coupon).one().code[:12] not in shown.json["code"]

    done = post(client, here, "redemptions", body(shown.json["code"]), idempotency_key="order-0001")
    assert done.status_code == 200 and done.json["discount_fen"] == 300
    assert done.json["member"] == ids.encode("mbr", shopper.member_id)
    assert shopper.get("coupons?status=usable").json["items"] == []
    assert shopper.get("coupons?status=redeemed").json["items"][0]["id"] == card["id"]
    after = shopper.get(f"coupons/{card['id']}/code")
    assert (after.status_code, after.json["code"]) == (409, "coupon_redeemed")
    assert broken() == []


def test_claims_are_refused_with_stable_codes(here: World, shopper: Shopper) -> None:
    limited = campaign(here)
    sold_out = campaign(here, quota=1)
    coupon(here, sold_out)
    hidden = campaign(here, claimable=False)
    paused, ended = campaign(here), campaign(here)
    over = campaign(here, ends_at=clock.now() - timedelta(days=1))
    with transaction():
        commands.set_status(brand_id=here.brand_id, campaign_id=paused, status="paused")
        commands.set_status(brand_id=here.brand_id, campaign_id=ended, status="ended")
    foreign = campaign(make_world())
    assert shopper.claim(limited, "claim-0001").status_code == 200
    for number, (campaign_id, status, code) in enumerate(
        [
            (limited, 409, "limit_reached"),
            (sold_out, 409, "sold_out"),
            (hidden, 404, "campaign_unknown"),
            (paused, 409, "campaign_paused"),
            (ended, 409, "campaign_closed"),
            (over, 409, "campaign_closed"),
            (foreign, 404, "campaign_unknown"),
            ("cmp_nonsense", 404, "campaign_unknown"),
            ("x", 404, "campaign_unknown"),
        ]
    ):
        answer = shopper.claim(campaign_id, f"refused-{number}")
        assert (answer.status_code, answer.json["code"]) == (status, code)
    assert shopper.claim(sold_out, "claim-0001").json["code"] == "idempotency_key_reused"
    assert shopper.claim(paused, None).json["code"] == "idempotency_key_missing"
    with transaction():
        assert session.query(Coupon).filter_by(member_id=shopper.member_id).count() == 1
    assert broken() == []


def test_a_key_used_for_another_campaign_is_refused(here: World, shopper: Shopper) -> None:
    first, second = campaign(here), campaign(here)
    assert shopper.claim(first, "claim-0001").status_code == 200
    answer = shopper.claim(second, "claim-0001")
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")
    assert broken() == []


def test_a_crowd_that_comes_too_late_asks_once_a_moment(
    here: World, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = campaign(here, quota=1, per_member=9)
    looks: list[int] = []
    look = take.look_at

    def counted(*asked: Any) -> Any:
        looks.append(1)
        return look(*asked)

    monkeypatch.setattr(take, "look_at", counted)
    mine = shopper.claim(narrow, "claim-last")
    late = [shopper.claim(narrow, f"claim-late-{number}") for number in range(5)]
    assert mine.status_code == 200 and {one.json["code"] for one in late} == {"sold_out"}
    assert len(looks) == 2
    assert shopper.claim(narrow, "claim-last").json == mine.json  # who has one is not told that there is none
    with transaction():
        commands.add_stock(brand_id=here.brand_id, campaign_id=narrow, more=1, actor="test")
    monkeypatch.setattr(sold_out, "SECONDS", 0)  # the moment is over
    assert shopper.claim(narrow, "claim-late-0").status_code == 200
    assert broken() == []


def test_the_wallet_pages_and_shows_ended_coupons_as_expired(here: World, shopper: Shopper) -> None:
    campaign_id = campaign(here, per_member=5, valid_days=1)
    mine = [coupon(here, campaign_id, member_id=shopper.member_id) for _ in range(5)]
    redeem(here, mine[0].code)
    first = shopper.get("coupons?limit=2").json
    second = shopper.get(f"coupons?limit=2&cursor={first['next_cursor']}").json
    third = shopper.get(f"coupons?limit=2&cursor={second['next_cursor']}").json
    listed = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert listed == [ids.encode("cpn", one.coupon_id) for one in reversed(mine)]
    assert third["next_cursor"] is None
    person_id = ids.decode("prs", tokens.read("miniapp", shopper.token)["sub"])
    with time_machine.travel(clock.now() + timedelta(days=2), tick=False):
        token, _ = auth.issue(brand_id=here.brand_id, person_id=person_id, openid="openid-1")
        later = Shopper(shopper.client, shopper.member_id, token)
        assert len(later.get("coupons?status=expired").json["items"]) == 4
        assert later.get("coupons?status=usable").json["items"] == []
        assert {item["status"] for item in later.get("coupons").json["items"]} == {"expired", "redeemed"}


@pytest.mark.parametrize("query", ["status=stolen", "limit=0", "limit=101", "cursor=x", "cursor=mbr_0000000000001"])
def test_a_bad_query_is_refused(shopper: Shopper, query: str) -> None:
    assert shopper.get(f"coupons?{query}").status_code == 422


def test_nobody_sees_anothers_coupon(here: World, shopper: Shopper) -> None:
    theirs = coupon(here)
    for spelled in (ids.encode("cpn", theirs.coupon_id), ids.encode("cpn", 5), "cpn_x"):
        answer = shopper.get(f"coupons/{spelled}/code")
        assert (answer.status_code, answer.json["code"]) == (404, "coupon_unknown")


@pytest.mark.parametrize("path", ["coupons", "campaigns", "coupons/cpn_0000000000001/code"])
def test_the_wallet_wants_a_token(client: Any, path: str) -> None:
    assert client.get(f"{API}/{path}").status_code == 401


def test_a_code_of_a_coupon_not_valid_yet_is_not_shown(here: World, shopper: Shopper) -> None:
    mine = coupon(here, campaign(here, wait_days=2), member_id=shopper.member_id)
    answer = shopper.get(f"coupons/{ids.encode('cpn', mine.coupon_id)}/code")
    assert (answer.status_code, answer.json["code"]) == (409, "coupon_not_yet_valid")
    assert codes.read(mine.code, clock.now()).step is None


def test_a_stores_stock_is_for_the_members_at_home_there(here: World, shopper: Shopper) -> None:
    """Shown and claimed is what their own store has; who has no store is told why there is none."""
    campaign_id = campaign(here, quota=100, day_quota=50, per_member=9)
    quotas = {here.stores[0].id: 2, here.stores[1].id: 40}
    with transaction():
        commands.allocate(brand_id=here.brand_id, campaign_id=campaign_id, quotas=quotas, actor="adm_1")
    assert shopper.get("campaigns").json["items"][0]["left"] == 0
    homeless = shopper.claim(campaign_id, "claim-0000")
    assert (homeless.status_code, homeless.json["code"]) == (422, "store_needed")
    with transaction():
        session.execute(update(Member).where(Member.member_id == shopper.member_id).values(home_store_id=here.store.id))
    for left in (2, 1):
        assert shopper.get("campaigns").json["items"][0]["left"] == left
        assert shopper.claim(campaign_id, f"claim-000{left}").status_code == 200
    assert shopper.get("campaigns").json["items"][0]["left"] == 0
    assert shopper.claim(campaign_id, "claim-0003").json["code"] == "store_sold_out"
    assert broken() == []


def test_a_campaign_outside_its_time_is_not_offered(here: World, shopper: Shopper) -> None:
    campaign(here, ends_at=clock.now() - timedelta(seconds=1))
    campaign(here, starts_at=clock.now() + timedelta(days=30))  # what was taken now would end before it begins
    now = campaign(here, ends_at=clock.now() + timedelta(days=1))
    assert [one["id"] for one in shopper.get("campaigns").json["items"]] == [ids.encode("cmp", now)]


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_an_offer_minds_the_limit_of_a_period(here: World, shopper: Shopper, period: str) -> None:
    campaign_id = campaign(here, per_member=9, **{f"per_{period}": 2})
    for number in range(2):
        assert shopper.get("campaigns").json["items"][0]["claimable"]
        assert shopper.claim(campaign_id, f"claim-000{number}").status_code == 200
    (offer,) = shopper.get("campaigns").json["items"]
    assert (offer["claimable"], offer["taken"], offer["left"]) == (False, 2, 998)
    assert shopper.claim(campaign_id, "claim-0003").json["code"] == "period_limit_reached"
    with time_machine.travel(clock.now() + timedelta(days=31), tick=True):
        assert not claimable(here.brand_id, shopper.member_id)[0].had_all


def test_an_offer_says_what_the_day_has_left(here: World, shopper: Shopper) -> None:
    campaign_id = campaign(here, quota=100, day_quota=3, per_member=9)
    for left in (3, 2):
        assert shopper.get("campaigns").json["items"][0]["left"] == left
        assert shopper.claim(campaign_id, f"claim-000{left}").status_code == 200
    with time_machine.travel(clock.now() + timedelta(days=1), tick=True):
        offers = claimable(here.brand_id, shopper.member_id)
    assert offers[0].left == 3
