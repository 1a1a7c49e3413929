"""Exchanging codes, giving coupons to friends and inviting them, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon
from factories import World, make_world
from invariants import broken
from mini_phone import PHONE, Phone
from people import make_member
from sqlalchemy import select

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands, referrals
from app.coupons.events import CodesDue
from app.coupons.fraud.models import Flag
from app.coupons.issue_models import SealedCodes
from app.coupons.models import Coupon
from app.flows.coupon_limits import EXCHANGES_OF_MEMBER
from app.members import queries as members
from app.miniapp import auth

API = "/api/miniapp/v1"


@dataclass
class Shopper:
    client: Any
    world: World
    member_id: int
    token: str

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        return self.client.open(f"{API}/{path}", method=method, json=body, headers=headers)


def shopper(client: Any, world: World) -> Shopper:
    with transaction():
        member_id = make_member(world)
        found = members.member(world.brand_id, member_id)
        assert found is not None
        token, _ = auth.issue(brand_id=world.brand_id, person_id=found.person_id, openid="o")
    return Shopper(client, world, member_id, token)


@pytest.fixture
def here(app: Any) -> World:
    return make_world()


@pytest.fixture
def anna(client: Any, here: World) -> Shopper:
    return shopper(client, here)


@pytest.fixture
def ben(client: Any, here: World) -> Shopper:
    return shopper(client, here)


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("coupons.") == []


def printed(world: World, size: int = 3) -> list[str]:
    campaign_id = campaign(world, claimable=False, per_member=5)
    with transaction():
        batch = commands.order_codes(
            brand_id=world.brand_id, campaign_id=campaign_id, name="吊牌", size=size, ends_at=None, created_by="adm_1"
        )
        commands.make_codes(CodesDue(brand_id=world.brand_id, batch_id=batch.batch_id))
        first = session.scalars(select(SealedCodes.first)).one()
        return [codes.printed(one) for one in commands.plain_codes(world.brand_id, batch.batch_id, first)]


def test_a_code_is_exchanged_once(here: World, anna: Shopper, ben: Shopper) -> None:
    code, other, _ = printed(here)
    got = anna.call("POST", "redeem-codes", {"code": code}, key="exchange-1")
    assert got.status_code == 200 and got.json["name"] == "立减券"
    for key in ("exchange-1", "exchange-2"):  # sent again, and typed again
        assert anna.call("POST", "redeem-codes", {"code": code}, key=key).json["id"] == got.json["id"]
    assert anna.call("POST", "redeem-codes", {"code": other}, key="exchange-1").json["code"] == "idempotency_key_reused"
    for typed, code_ in ((code, "redeem_code_used"), (other[:-1], "redeem_code_unknown")):
        assert ben.call("POST", "redeem-codes", {"code": typed}, key=f"exchange-{code_}").json["code"] == code_
    assert ben.call("POST", "redeem-codes", {"code": other}).json["code"] == "idempotency_key_missing"
    assert [one["source"] for one in anna.call("GET", "coupons").json["items"]] == ["redeem_code"]


def test_guessing_is_slow_and_flagged(here: World, anna: Shopper, run_work: Any) -> None:
    good = printed(here)[0]
    with time_machine.travel(clock.now(), tick=False):
        answers = [
            anna.call("POST", "redeem-codes", {"code": codes.new_code()}, key=f"guess-{n:04}")
            for n in range(EXCHANGES_OF_MEMBER + 5)
        ]
        guessed = anna.call("POST", "redeem-codes", {"code": good}, key="guess-good")
    refused = [one for one in answers if one.status_code == 429]
    assert len(refused) == 5 and guessed.status_code == 429
    assert {one.json["code"] for one in answers} == {"redeem_code_unknown", "too_many_requests"}
    assert all(int(one.headers["Retry-After"]) > 0 for one in refused)
    run_work()
    with transaction():
        (flag,) = session.query(Flag).all()
        assert (flag.rule, flag.member_id, flag.count) == ("wrong_codes", anna.member_id, EXCHANGES_OF_MEMBER + 1)


def test_from_one_wallet_to_a_friends(here: World, anna: Shopper, ben: Shopper) -> None:
    mine = coupon(here, member_id=anna.member_id, transferable=True)
    path = f"coupons/{ids.encode('cpn', mine.coupon_id)}/transfers"
    assert ben.call("POST", path, key="offer-0001").json["code"] == "coupon_unknown"
    offered = anna.call("POST", path, key="offer-0001")
    assert (offered.status_code, offered.json["status"]) == (201, "open")
    token = offered.json["token"]
    assert anna.call("POST", path, key="offer-0001").json["token"] == token  # the same link again
    assert anna.call("POST", path, key="offer-0002").json["code"] == "coupon_offered"
    seen = ben.call("GET", f"gifts/{token}").json
    assert (seen["name"], seen["status"], seen["own"]) == ("立减券", "open", False)
    assert anna.call("GET", f"gifts/{token}").json["own"] is True
    own = anna.call("POST", f"gifts/{token}", key="take-0001").json
    assert own["code"] == "transfer_own" and not own["data"]["words"].isascii()
    taken = ben.call("POST", f"gifts/{token}", key="take-0001")
    assert ben.call("POST", f"gifts/{token}", key="take-0002").json == taken.json
    (listed,) = anna.call("GET", "transfers").json["items"]
    assert (listed["status"], listed["token"]) == ("taken", None)
    assert anna.call("DELETE", f"transfers/{listed['id']}").json["code"] == "transfer_ended"
    assert [one["source"] for one in ben.call("GET", "coupons?status=usable").json["items"]] == ["friend"]
    assert anna.call("GET", "coupons?status=usable").json["items"] == []
    with transaction():
        assert session.query(Coupon).count() == 2


def test_an_offer_is_taken_back(here: World, anna: Shopper, ben: Shopper) -> None:
    mine = coupon(here, member_id=anna.member_id, transferable=True)
    offered = anna.call("POST", f"coupons/{ids.encode('cpn', mine.coupon_id)}/transfers", key="offer-0001").json
    assert ben.call("DELETE", f"transfers/{offered['id']}").json["code"] == "transfer_unknown"
    assert anna.call("DELETE", f"transfers/{offered['id']}").json["status"] == "taken_back"
    assert ben.call("POST", f"gifts/{offered['token']}", key="take-0001").json["code"] == "transfer_ended"
    assert ben.call("GET", "gifts/nonsense").json["code"] == "transfer_unknown"
    plain = coupon(here, member_id=anna.member_id)
    answer = anna.call("POST", f"coupons/{ids.encode('cpn', plain.coupon_id)}/transfers", key="offer-0003")
    assert answer.json["code"] == "coupon_not_transferable"


def test_an_invitation_brings_a_member(world: World, tencent: Any, run_work: Any) -> None:
    for kind in ("referrer", "referred"):
        campaign_id = campaign(world, claimable=False)
        with transaction():
            commands.add_gift_rule(brand_id=world.brand_id, kind=kind, campaign_id=campaign_id, created_by="adm_1")
    referrer = shopper(tencent.client, world)
    told = referrer.call("GET", "invitation").json
    assert told == {"code": referrals.code_of(world.brand_id, referrer.member_id), "brought": 0}
    tencent.customer("clara", phone=PHONE)
    phone = Phone(tencent, "clara")
    answer = phone.login(invitation=told["code"])
    assert answer.status_code == 200
    phone.bind()
    run_work()
    assert referrer.call("GET", "invitation").json["brought"] == 1
    assert [one["source"] for one in referrer.call("GET", "coupons").json["items"]] == ["referral"]
