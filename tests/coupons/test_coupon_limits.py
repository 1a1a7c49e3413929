"""Limits on guessing codes and on claiming, over HTTP: 429 with Retry-After, counted without codes, flagged once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from console_world import bearer, make_admins
from coupon_factories import body, campaign, coupon, fresh, post
from factories import World, make_world
from people import make_member
from redis import Redis
from sqlalchemy import text

from app.core import clock, ids, rates
from app.core import redis as core_redis
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes
from app.coupons.fraud.models import Flag
from app.flows import coupon_limits
from app.flows.coupon_limits import CLAIMS_OF_MEMBER, REPLAYS, WRONG_IN_STORE, WRONG_OF_CALLER
from app.members import queries as members
from app.miniapp import auth as miniapp_auth
from app.org.models import ApiClient

NOON = datetime(2026, 3, 10, 4, 0, 20, tzinfo=UTC)


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _try(client: Any, world: World, code: str, *, path: str = "redemptions/validate", **how: Any) -> Any:
    stamp = str(int(clock.now().timestamp()))
    return post(client, world, path, body(code, **how), Timestamp=stamp, idempotency_key=f"try-{ids.new_id()}")


def _flags(run_work: Any) -> list[Flag]:
    run_work()
    with transaction():
        session.expire_all()
        return list(session.query(Flag).order_by(Flag.flag_id))


@pytest.mark.parametrize("path", ["redemptions", "redemptions/validate"])
def test_a_store_that_tries_many_wrong_codes_is_shut_out_for_a_minute_and_flagged(
    client: Any, world: World, run_work: Any, path: str
) -> None:
    right = coupon(world)
    with time_machine.travel(NOON, tick=False):
        answers = [_try(client, world, codes.new_code(), path=path) for _ in range(WRONG_IN_STORE + 5)]
        assert [one.status_code for one in answers] == [404] * WRONG_IN_STORE + [429] * 5
        assert (answers[-1].json["code"], answers[-1].headers["Retry-After"]) == ("too_many_requests", "40")
        assert _try(client, world, right.code, path=path).status_code == 429
    (flag,) = _flags(run_work)
    assert (flag.rule, flag.subject, flag.store_id, flag.count) == (
        "wrong_codes", f"store:{world.store.id}", world.store.id, WRONG_IN_STORE + 1,
    )  # fmt: skip
    with time_machine.travel(NOON + timedelta(seconds=40), tick=False):
        assert _try(client, world, codes.new_code(), path=path).status_code == 404
        assert _try(client, world, "nonsense", path=path).json["code"] == "coupon_unknown"


def test_a_key_is_limited_over_all_its_stores(client: Any, world: World, run_work: Any) -> None:
    with transaction():
        session.get_one(ApiClient, world.till.id).store_ids = None
    with time_machine.travel(NOON, tick=False):
        for _ in range(WRONG_OF_CALLER):
            rates.count("coupon.code", f"till:{world.till.id}")
        assert _try(client, world, codes.new_code(), store="S001").status_code == 429
        assert _try(client, world, codes.new_code(), store="S001").status_code == 429
    (flag,) = _flags(run_work)
    assert (flag.subject, flag.count) == (f"till:{world.till.id}", WRONG_OF_CALLER + 1)


@pytest.mark.parametrize("path", ["order-coupons/validate", "order-coupons/redeem", "order-coupons/offline"])
def test_several_codes_at_once_are_no_way_around_the_limit(client: Any, world: World, run_work: Any, path: str) -> None:
    def ask() -> int:
        told = body("", "O1")
        shown = [codes.new_code() for _ in range(10)]
        lines = {"lines": told["lines"]}
        receipts = [
            {"receipt_no": code, "code": code, "order_no": code, "taken_at": clock.now().isoformat(), **lines}
            for code in shown
        ]
        order = {"order_no": "O1", "codes": shown, **lines}
        asked = {"store": "S001", **({"receipts": receipts} if path.endswith("offline") else order)}
        stamp = str(int(clock.now().timestamp()))
        key = f"several-{ids.new_id()}"
        return int(post(client, world, path, asked, Timestamp=stamp, idempotency_key=key).status_code)

    with time_machine.travel(NOON, tick=False):
        answers = [ask() for _ in range(WRONG_IN_STORE + 4)]
    assert answers[-1] == 429
    allowed = answers.index(429)
    assert allowed == (WRONG_IN_STORE if path.endswith("redeem") else WRONG_IN_STORE // 10)
    assert [flag.rule for flag in _flags(run_work)] == ["wrong_codes"]


@pytest.mark.parametrize("path", ["check", "redemptions"])
def test_the_cash_desk_counts_as_a_till_does(client: Any, world: World, run_work: Any, path: str) -> None:
    cashier = make_admins(world)["store"]
    with time_machine.travel(NOON, tick=False):
        right = coupon(world)

    def ask(code: str) -> Any:
        asked = {"codes": [code], "amount_fen": 9000, "order_no": "O1"}
        headers = bearer(cashier) | {"Idempotency-Key": f"desk-{ids.new_id()}"}
        return client.post(f"/api/admin/v1/desk/{path}", json=asked, headers=headers)

    with time_machine.travel(NOON, tick=False):
        answers = [ask(codes.new_code()).status_code for _ in range(WRONG_IN_STORE + 2)]
        assert answers == [404] * WRONG_IN_STORE + [429] * 2
        refused = ask(right.code)
        assert (refused.status_code, refused.json["data"]["words"]) == (429, "操作太频繁，请一分钟后再试")
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        assert ask(right.code).status_code in (200, 201)
    (flag,) = _flags(run_work)
    assert (flag.rule, flag.store_id) == ("wrong_codes", world.stores[1].id)


def test_right_codes_cost_no_tries_and_nothing_is_asked_of_redis(
    client: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = coupon(world)
    monkeypatch.setattr(core_redis, "_client", Redis(host="127.0.0.1", port=1))
    for _ in range(WRONG_IN_STORE + 1):
        assert _try(client, world, mine.code).json["usable"]


def test_codes_that_are_tried_are_nowhere_to_be_read(client: Any, world: World, run_work: Any, redis: Any) -> None:
    tried = [codes.new_code() for _ in range(WRONG_IN_STORE + 1)]
    with time_machine.travel(NOON, tick=False):
        for code in tried:
            _try(client, world, code)
    (flag,) = _flags(run_work)
    kept = [key.decode() + str(redis.get(key)) for key in redis.keys("siyu:rate:*")]
    rows = [str(row) for row in session.execute(text("SELECT payload FROM outbox")).all()]
    assert kept and not any(code in told for code in tried for told in [*kept, *rows, str(flag.evidence)])


def test_a_rotating_code_that_is_shown_again_is_refused_and_flagged_when_repeated(
    client: Any, world: World, run_work: Any
) -> None:
    mine = coupon(world)
    with time_machine.travel(clock.now(), tick=False):
        shown, _ = codes.rotating(mine.code, clock.now())
        done = _try(client, world, shown, path="redemptions").json
        back = f"redemptions/{done['redemption']}/return"
        post(client, world, back, {}, idempotency_key="give-it-back", Timestamp=str(int(clock.now().timestamp())))
        for number in range(REPLAYS + 2):
            assert _try(client, world, shown, path="redemptions").json["code"] == "code_replayed", number
    found = [flag for flag in _flags(run_work) if flag.rule == "codes_replayed"]
    assert [(flag.subject, flag.member_id, flag.store_id, flag.count) for flag in found] == [
        (f"coupon:{mine.coupon_id}", mine.member_id, world.store.id, REPLAYS)
    ]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned"


def _shopper(world: World) -> tuple[int, dict[str, str]]:
    with transaction():
        member_id = make_member(world)
        member = members.member(world.brand_id, member_id)
    assert member is not None
    token, _ = miniapp_auth.issue(brand_id=world.brand_id, person_id=member.person_id, openid="openid-x")
    return member_id, {"Authorization": f"Bearer {token}"}


def _claim(client: Any, campaign_id: int, headers: dict[str, str]) -> int:
    path = f"/api/miniapp/v1/campaigns/{ids.encode('cmp', campaign_id)}/claim"
    answer = client.post(path, headers=headers | {"Idempotency-Key": f"claim-{ids.new_id()}"})
    return int(answer.status_code)


def test_a_member_who_claims_like_a_machine_is_limited_and_flagged(client: Any, world: World, run_work: Any) -> None:
    campaign_id = campaign(world, per_member=1)
    with time_machine.travel(clock.now().replace(second=0), tick=False):
        member_id, headers = _shopper(world)
        answers = [_claim(client, campaign_id, headers) for _ in range(CLAIMS_OF_MEMBER + 12)]
    assert answers[0] == 200 and set(answers[1:CLAIMS_OF_MEMBER]) == {409}
    first = answers.index(429)
    assert CLAIMS_OF_MEMBER <= first < CLAIMS_OF_MEMBER + 5 and set(answers[first:]) == {429}
    (flag,) = _flags(run_work)
    assert (flag.rule, flag.subject, flag.member_id) == ("claim_burst", f"member:{member_id}", member_id)
    assert flag.count >= CLAIMS_OF_MEMBER


def test_one_address_claims_so_often_and_is_not_told_by_its_name(
    app: Any, client: Any, world: World, run_work: Any
) -> None:
    campaign_id = campaign(world)
    coupon_limits.configure(100)
    address = {"environ_base": {"REMOTE_ADDR": f"203.0.113.{world.brand_id % 200}"}}
    try:
        with time_machine.travel(clock.now().replace(second=0), tick=False):
            answers = []
            for _ in range(25):
                _, headers = _shopper(world)
                path = f"/api/miniapp/v1/campaigns/{ids.encode('cmp', campaign_id)}/claim"
                for _ in range(8):
                    key = {"Idempotency-Key": f"claim-{ids.new_id()}"}
                    answers.append(client.post(path, headers=headers | key, **address).status_code)
    finally:
        coupon_limits.configure(app.extensions["siyu"].claims_per_address)
    assert 429 not in answers[:100] and set(answers[150:]) == {429}
    (flag,) = _flags(run_work)
    assert (flag.rule, flag.member_id, flag.store_id) == ("claim_burst", None, None)
    assert flag.subject.startswith("address:") and "203.0.113" not in flag.subject
