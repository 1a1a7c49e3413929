"""Campaigns through the admin API: set up, approved by a second person, supplied, switched with reasons."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from console_world import bearer, make_admins
from coupon_factories import coupon, fresh, redeem, till
from factories import World, make_world
from invariants import broken

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.org.models import AdminUser

API = "/api/admin/v1"
TERMS = {"kind": "threshold", "amount_fen": 5000, "threshold_fen": 30000, "valid_days": 14}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def hq(world: World) -> dict[str, str]:
    return bearer(world.admin)


@pytest.fixture
def second(world: World) -> dict[str, str]:
    with transaction():
        admin = AdminUser(
            login=f"second{ids.new_id()}",
            name="审批人",
            role="hq",
            brand_id=world.brand_id,
            password_hash=world.admin.password_hash,
            status="active",
        )
        session.add(admin)
        session.flush()
    return bearer(admin)


_keys = iter(range(10**6))


def _post(client: Any, headers: Any, path: str, given: Any, **more: Any) -> Any:
    headers = {**headers, "Idempotency-Key": more.pop("key", f"campaign-{next(_keys):08d}")}
    return client.open(f"{API}/{path}", method=more.pop("method", "POST"), headers=headers, json=given)


def _made(client: Any, headers: Any, **given: Any) -> Any:
    body = {"code": "AW26", "name": "秋冬满减", "terms": TERMS, "quota": 100, **given}
    return _post(client, headers, "campaigns", body)


def test_a_campaign_is_a_draft_until_it_is_submitted(client: Any, world: World, hq: Any) -> None:
    made = _made(client, hq, budget_fen=100_000, day_quota=30)
    assert made.status_code == 201
    shown = made.json
    assert (shown["status"], shown["quota"], shown["budget_fen"], shown["day_quota"]) == ("draft", 100, 100_000, 30)
    assert shown["summary"] == "满¥300减¥50" and shown["versions"][0]["terms"]["threshold_fen"] == 30000
    out = _post(client, hq, f"campaigns/{shown['id']}/steps", {"step": "submit"})
    assert out.json["status"] == "active"
    assert [(one["action"], one["to_status"]) for one in out.json["events"]] == [
        ("submit", "active"),
        ("create", "draft"),
    ]
    assert out.json["events"][0]["actor"] == ids.encode("adm", world.admin.id)


def test_the_same_request_makes_one_campaign(client: Any, world: World, hq: Any) -> None:
    body = {"code": "AW26", "name": "秋冬满减", "terms": TERMS, "quota": 100}
    one, two = (_post(client, hq, "campaigns", body, key="campaign-once-1") for _ in range(2))
    assert one.json["id"] == two.json["id"]
    assert _made(client, hq).json["code"] == "campaign_code_taken"


@pytest.mark.parametrize(
    "wrong,fields",
    [
        ({"hours": [["22:00", "02:00"]]}, ["hours"]),
        ({"stores": ["S404"]}, ["stores"]),
        ({"threshold_fen": 0}, ["threshold_fen"]),
        ({"supplier_bp": 2000}, ["supplier_bp"]),
        ({"valid_days": None}, ["ends_at or valid_days"]),
        ({"starts_at": "2026-12-02T00:00:00+08:00", "ends_at": "2026-12-01T00:00:00+08:00"}, ["ends_at"]),
        ({"weekdays": []}, ["weekdays"]),
        ({"starts_at": "0001-01-01T00:00:00Z"}, ["starts_at"]),
        ({"ends_at": "9999-12-31T23:59:59Z"}, ["ends_at"]),
        ({"ends_at": "9999-12-31T23:59:59-05:00"}, ["ends_at"]),
    ],
)
def test_terms_that_make_no_sense_are_named(client: Any, world: World, hq: Any, wrong: Any, fields: Any) -> None:
    refused = _made(client, hq, terms=TERMS | wrong)
    assert (refused.status_code, refused.json["code"]) == (422, "terms_invalid")
    assert refused.json["data"]["fields"] == fields


def test_a_large_campaign_needs_a_second_person(client: Any, world: World, hq: Any, second: Any) -> None:
    put = client.put(f"{API}/campaign-policy", headers=hq, json={"approve_budget_fen": 400_000})
    assert put.status_code == 200
    # Without a budget it may cost 100 x 50 yuan.
    made = _made(client, hq).json
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "submit"}).json["status"] == "submitted"
    alone = _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "approve"})
    assert (alone.status_code, alone.json["code"]) == (409, "second_person_needed")
    back = _post(client, second, f"campaigns/{made['id']}/steps", {"step": "reject", "reason": "门槛太低"})
    assert back.json["status"] == "draft"
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "submit"}).json["status"] == "submitted"
    out = _post(client, second, f"campaigns/{made['id']}/steps", {"step": "approve"}).json
    assert out["status"] == "active" and out["approved_by"] != out["submitted_by"]


@pytest.mark.parametrize(
    "change", [{"more": 900_000_000}, {"budget_fen": 90_000_000}, {"day_quota": 50}, {"stores": {"S001": 60}}]
)
def test_what_waits_for_approval_and_is_changed_is_a_draft_again(
    client: Any, world: World, hq: Any, second: Any, change: Any
) -> None:
    client.put(f"{API}/campaign-policy", headers=hq, json={"approve_quota": 50})
    home = f"campaigns/{_made(client, hq, budget_fen=100_000).json['id']}"
    assert _post(client, hq, f"{home}/steps", {"step": "submit"}).json["status"] == "submitted"
    changed = _post(client, hq, f"{home}/supply", change, method="PATCH").json
    assert changed["status"] == "draft"
    assert (changed["events"][0]["from_status"], changed["events"][0]["to_status"]) == ("submitted", "draft")
    late = _post(client, second, f"{home}/steps", {"step": "approve"})
    assert (late.status_code, late.json["code"]) == (409, "not_in_this_state")
    assert broken() == []


def test_what_is_approved_is_what_was_looked_at(client: Any, world: World, hq: Any, second: Any) -> None:
    client.put(f"{API}/campaign-policy", headers=hq, json={"approve_quota": 50})
    home = f"campaigns/{_made(client, hq).json['id']}"
    seen = _post(client, hq, f"{home}/steps", {"step": "submit"}).json["events"][0]["id"]
    _post(client, hq, f"{home}/supply", {"more": 900_000_000}, method="PATCH")
    again = _post(client, hq, f"{home}/steps", {"step": "submit"}).json["events"][0]["id"]
    late = _post(client, second, f"{home}/steps", {"step": "approve", "seen": seen})
    assert (late.status_code, late.json["code"]) == (409, "campaign_changed")
    assert client.get(f"{API}/{home}", headers=hq).json["status"] == "submitted"
    out = _post(client, second, f"{home}/steps", {"step": "approve", "seen": again})
    assert out.json["status"] == "active"
    assert broken() == []


def test_what_is_out_does_not_grow_large_by_its_author(client: Any, world: World, hq: Any, second: Any) -> None:
    client.put(f"{API}/campaign-policy", headers=hq, json={"approve_quota": 200})
    made = _made(client, hq).json
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "submit"}).json["status"] == "active"
    path = f"campaigns/{made['id']}/supply"
    assert _post(client, hq, path, {"more": 99}, method="PATCH").json["quota"] == 199
    refused = _post(client, hq, path, {"more": 1}, method="PATCH")
    assert refused.json["code"] == "second_person_needed"
    assert _post(client, second, path, {"more": 1}, method="PATCH").json["quota"] == 200


def test_nobody_loosens_the_rule_for_themselves(client: Any, world: World, hq: Any, second: Any) -> None:
    """Who set it last is held to the smallest sizes since somebody else had set it; others to what it says."""
    policy = f"{API}/campaign-policy"
    client.put(policy, headers=hq, json={"approve_quota": 50})
    for loose in ({"approve_quota": 500}, {}):
        client.put(policy, headers=hq, json=loose)
    mine, small, theirs, later = (
        f"campaigns/{_made(client, who, code=code, quota=quota).json['id']}"
        for who, code, quota in ((hq, "A", 100), (hq, "B", 10), (second, "C", 100), (hq, "D", 100))
    )
    assert _post(client, hq, f"{mine}/steps", {"step": "submit"}).json["status"] == "submitted"
    assert _post(client, hq, f"{small}/steps", {"step": "submit"}).json["status"] == "active"
    grown = _post(client, hq, f"{small}/supply", {"more": 90}, method="PATCH")
    assert grown.json["code"] == "second_person_needed"
    assert _post(client, second, f"{theirs}/steps", {"step": "submit"}).json["status"] == "active"
    assert client.put(policy, headers=second, json={}).json == {"approve_quota": None, "approve_budget_fen": None}
    assert _post(client, hq, f"{later}/steps", {"step": "submit"}).json["status"] == "active"
    assert broken() == []


def test_a_campaign_whose_time_is_over_does_not_come_out(client: Any, world: World, hq: Any, second: Any) -> None:
    client.put(f"{API}/campaign-policy", headers=hq, json={"approve_quota": 50})
    past = _made(client, hq, terms=TERMS | {"ends_at": "2020-01-01T00:00:00+08:00"})
    assert (past.status_code, past.json["code"]) == (409, "campaign_over")
    soon = clock.now() + timedelta(days=1)
    home, waiting = (
        f"campaigns/{_made(client, hq, code=code, terms=TERMS | {'ends_at': soon.isoformat()}).json['id']}"
        for code in ("A", "B")
    )
    assert _post(client, hq, f"{waiting}/steps", {"step": "submit"}).json["status"] == "submitted"
    with time_machine.travel(soon, tick=False):
        headers = {"hq": bearer(world.admin), "second": bearer(make_admins(world)["hq"])}
        for who, which, step in (("hq", home, "submit"), ("second", waiting, "approve")):
            late = _post(client, headers[who], f"{which}/steps", {"step": step})
            assert (late.status_code, late.json["code"]) == (409, "campaign_over")
    assert client.get(f"{API}/{home}", headers=hq).json["status"] == "draft"


def test_steps_that_stop_something_say_why(client: Any, world: World, hq: Any) -> None:
    made = _made(client, hq).json
    _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "submit"})
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "pause", "reason": "  "}).status_code == 422
    paused = _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "pause", "reason": "券面有误"}).json
    assert paused["status"] == "paused" and paused["events"][0]["reason"] == "券面有误"
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "approve"}).json["code"] == "not_in_this_state"
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "resume"}).json["status"] == "active"
    ended = _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "end", "reason": "活动结束"})
    assert ended.json["status"] == "ended"
    assert _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "resume"}).json["code"] == "not_in_this_state"


def test_a_voided_campaign_withdraws_what_is_out(client: Any, world: World, hq: Any, run_work: Any) -> None:
    made = _made(client, hq, claimable=True, terms={"kind": "amount", "amount_fen": 500, "valid_days": 7}).json
    _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "submit"})
    campaign_id = ids.decode("cmp", made["id"])
    used, held, open_one = (coupon(world, campaign_id) for _ in range(3))
    redeem(world, used.code)
    with transaction():
        commands.lock(counter=till(world), member_id=held.member_id, coupon_id=held.coupon_id, order_no="O9")
    voided = _post(client, hq, f"campaigns/{made['id']}/steps", {"step": "void", "reason": "价格标错"})
    assert voided.json["status"] == "voided"
    with pytest.raises(Exception, match="withdrawn"):
        redeem(world, open_one.code)
    with transaction():
        assert commands.withdraw() == 2
    assert [fresh(world, one.member_id, one.coupon_id).status for one in (used, held, open_one)] == [
        "redeemed",
        "voided",
        "voided",
    ]
    assert broken() == []


@pytest.mark.parametrize(
    "role,told", [("hq", ("S001", "S002")), ("region", ("S001", "S002")), ("dealer", ("S002",)), ("store", ("S002",))]
)
def test_each_sees_the_parts_of_their_own_stores(client: Any, world: World, hq: Any, role: str, told: Any) -> None:
    home = f"campaigns/{_made(client, hq).json['id']}"
    parts = {"S001": 10, "S002": 11}
    assert _post(client, hq, f"{home}/supply", {"stores": parts}, method="PATCH").status_code == 200
    shown = client.get(f"{API}/{home}", headers=bearer(make_admins(world)[role])).json
    assert [one["store"] for one in shown["stores"]] == list(told)
    assert shown["events"][0]["details"] == {"quotas": {code: parts[code] for code in told}}
    assert shown["events"][1]["details"] == {"quota": 100, "budget_fen": None, "day_quota": None}


def test_a_store_sees_campaigns_and_changes_none(client: Any, world: World, hq: Any) -> None:
    made = _made(client, hq).json
    store = bearer(make_admins(world)["store"])
    assert client.get(f"{API}/campaigns/{made['id']}", headers=store).status_code == 200
    assert _post(client, store, f"campaigns/{made['id']}/steps", {"step": "submit"}).status_code == 403
    assert client.get(f"{API}/campaigns/cmp_0000000000000", headers=hq).json["code"] == "campaign_unknown"
