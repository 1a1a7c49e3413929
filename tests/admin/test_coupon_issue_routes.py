"""Pushes, gift rules, guides' limits and redeem codes over the admin API."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from console_world import Desk, make_admins
from coupon_factories import campaign
from factories import World, make_world
from invariants import broken
from loyalty import an_order
from people import make_member
from sqlalchemy import select

from app.core import ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.models import Coupon
from app.flows.order_paid import order_paid
from app.org.models import AdminUser

MOST = (1 << 63) - 1  # the last that may be an id
EVERYBODY = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


@pytest.fixture
def hq(client: Any, admins: dict[str, AdminUser]) -> Desk:
    return Desk(client, admins["hq"])


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("coupons.") == []


def actions() -> list[str]:
    with transaction():
        return list(session.scalars(select(AuditLog.action).order_by(AuditLog.id)))


def test_a_push_from_preview_to_done(world: World, hq: Desk, run_work: Any) -> None:
    campaign_id = campaign(world, quota=5)
    with transaction():
        for _ in range(7):
            make_member(world)
    saved = hq.call("POST", "segments", {"name": "所有人", "rule": EVERYBODY}).json
    assert saved["members"] == 7
    assert [one["id"] for one in hq.call("GET", "segments").json["items"]] == [saved["id"]]
    body = {"campaign": ids.encode("cmp", campaign_id), "segment": saved["id"]}
    seen = hq.call("POST", "coupon-pushes/preview", body).json
    assert (seen["audience"], seen["chosen"], seen["left"], seen["unsold"]) == (7, 7, 5, 2)
    assert hq.call("POST", "coupon-pushes", body).json["code"] == "idempotency_key_missing"
    begun = hq.call("POST", "coupon-pushes", body, key="push-0001")
    assert begun.status_code == 201 and begun.json["status"] == "running"
    again = hq.call("POST", "coupon-pushes", body, key="push-0001")
    assert again.json["id"] == begun.json["id"]
    other = hq.call("POST", "coupon-pushes", body | {"hold_out_bp": 100}, key="push-0001")
    assert other.json["code"] == "idempotency_key_reused"
    path = f"coupon-pushes/{begun.json['id']}"
    assert hq.call("POST", f"{path}/stop").json["stop_reason"] == "operator"
    assert hq.call("POST", f"{path}/stop").json["code"] == "push_ended"
    assert hq.call("POST", f"{path}/resume").json["status"] == "running"
    run_work()
    ended = hq.call("GET", path).json
    assert (ended["status"], ended["stop_reason"], ended["issued"]) == ("stopped", "sold_out", 5)
    assert ended["campaign_name"] == "立减券"
    second = hq.call("POST", "coupon-pushes", body, key="push-0002").json["id"]
    page = hq.call("GET", "coupon-pushes?limit=1").json
    assert [one["id"] for one in page["items"]] == [second]
    rest = hq.call("GET", f"coupon-pushes?cursor={page['next_cursor']}").json
    assert [one["id"] for one in rest["items"]] == [begun.json["id"]] and rest["next_cursor"] is None
    assert actions().count("coupons.push") == 2 and "coupons.push_resume" in actions()


def test_what_a_push_changed(world: World, hq: Desk, run_work: Any) -> None:
    campaign_id = campaign(world, quota=100)
    with transaction():
        crowd = [make_member(world) for _ in range(12)]
    segment = hq.call("POST", "segments", {"name": "所有人", "rule": EVERYBODY}).json["id"]
    body = {"campaign": ids.encode("cmp", campaign_id), "segment": segment, "hold_out_bp": 5000}
    push = hq.call("POST", "coupon-pushes", body, key="push-0004").json["id"]
    run_work()
    with transaction():
        for number, member_id in enumerate(crowd):
            order = an_order(f"L{number}", 1_000, store_id=world.store.id)
            order_paid(brand_id=world.brand_id, member_id=member_id, order=order)
    told = hq.call("GET", f"coupon-pushes/{push}/lift?days=7").json
    assert told["got"]["members"] + told["held_out"]["members"] == 12 and told["held_out"]["members"] > 0
    assert told["got"]["buyers"] == told["got"]["members"] and told["fen"] == told["share"] == 0
    interval = told["share_interval"]  # all have bought; None where chance kept out too few to say anything
    assert interval is None or interval["low"] < 0 < interval["high"]
    for unknown in (5, MOST):
        push_id = ids.encode("psh", unknown)
        for path in (f"coupon-pushes/{push_id}", f"coupon-pushes/{push_id}/lift"):
            assert hq.call("GET", path).json["code"] == "push_unknown"


def test_what_a_push_names_must_be_there(world: World, hq: Desk) -> None:
    segment = hq.call("POST", "segments", {"name": "所有人", "rule": EVERYBODY}).json["id"]
    good = {"campaign": ids.encode("cmp", campaign(world)), "segment": segment}
    for spoilt, code in (
        ({"campaign": "cmp_nonsense"}, "campaign_unknown"),
        ({"campaign": ids.encode("cmp", 5)}, "campaign_unknown"),
        ({"segment": ids.encode("seg", 5)}, "segment_unknown"),
        ({"hold_out_bp": 10_000}, "invalid"),
    ):
        for path in ("coupon-pushes", "coupon-pushes/preview"):
            assert hq.call("POST", path, good | spoilt, key="push-0003").json["code"] == code, (spoilt, path)


def test_gift_rules(world: World, hq: Desk) -> None:
    body = {"kind": "order", "campaign": ids.encode("cmp", campaign(world)), "min_fen": 10_000}
    made = hq.call("POST", "gift-rules", body)
    assert (made.status_code, made.json["active"], made.json["min_fen"]) == (201, True, 10_000)
    assert hq.call("POST", "gift-rules", body).json["code"] == "gift_rule_exists"
    off = hq.call("PATCH", f"gift-rules/{made.json['id']}", {"active": False})
    assert off.json["active"] is False
    assert [one["id"] for one in hq.call("GET", "gift-rules").json["items"]] == [made.json["id"]]
    for spoilt in ({"kind": "welcome"}, {"min_fen": 0}, {"days_before": 3}, {"kind": "whenever"}):
        assert hq.call("POST", "gift-rules", body | spoilt).status_code == 422, spoilt
    assert actions() == ["gift_rule.add", "gift_rule.change"]


def test_what_guides_may_give_is_told_store_by_store(
    client: Any, world: World, hq: Desk, admins: dict[str, AdminUser]
) -> None:
    campaign_id = campaign(world, claimable=False, per_member=5)
    path = f"campaigns/{ids.encode('cmp', campaign_id)}/guide-limit"
    assert hq.call("GET", path).json == {"per_day": None, "items": []}
    assert hq.call("PUT", path, {"per_day": 3}).json["per_day"] == 3
    for guide in (world.guides[0], world.guides[2]):
        with transaction():
            commands.give_by_guide(
                brand_id=world.brand_id,
                member_id=make_member(world),
                campaign_id=campaign_id,
                guide_id=guide.id,
                source_ref=f"press:{guide.id}",
            )
    assert [one["used"] for one in hq.call("GET", path).json["items"]] == [1, 1]
    store = Desk(client, admins["store"])
    assert [one["name"] for one in store.call("GET", path).json["items"]] == [world.guides[2].name]
    assert store.call("PUT", path, {"per_day": 9}).status_code == 403
    assert hq.call("PUT", path, {"per_day": None}).json["per_day"] is None


def test_codes_are_ordered_taken_away_once_and_voided(world: World, hq: Desk, run_work: Any) -> None:
    body = {"campaign": ids.encode("cmp", campaign(world, claimable=False)), "name": "春季吊牌", "size": 25}
    with transaction():
        member_id, brand_id = make_member(world), world.brand_id
    made = hq.call("POST", "redeem-batches", body, key="codes-0001")
    assert (made.status_code, made.json["status"], made.json["made"]) == (201, "making", 0)
    path = f"redeem-batches/{made.json['id']}"
    assert hq.call("POST", f"{path}/export").json["code"] == "redeem_batch_not_ready"
    run_work()
    answer = hq.call("POST", f"{path}/export")
    assert answer.mimetype == "text/csv" and "no-store" in answer.headers["Cache-Control"]
    rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))
    assert rows[0] == ["序号", "兑换码"] and [row[0] for row in rows[1:]] == [str(n) for n in range(1, 26)]
    assert all(codes.typed(row[1]) and "-" in row[1] for row in rows[1:])
    assert hq.call("POST", f"{path}/export").json["code"] == "redeem_codes_exported"
    with transaction():
        commands.exchange(brand_id=brand_id, member_id=member_id, code=rows[1][1])
    told = hq.call("GET", path).json
    assert (told["exports"], told["used"], told["status"]) == (1, 1, "ready") and told["exported_at"]
    assert hq.call("POST", f"{path}/void", {"reason": "印错了"}).json["status"] == "voided"
    assert hq.call("POST", f"{path}/void", {"reason": "印错了"}).json["code"] == "redeem_batch_not_ready"
    assert [one["id"] for one in hq.call("GET", "redeem-batches").json["items"]] == [made.json["id"]]
    assert actions() == ["redeem_codes.order", "redeem_codes.export", "redeem_codes.exported", "redeem_codes.void"]
    with transaction():
        assert session.query(Coupon).count() == 1
    for end in ("2020-01-01T00:00:00+08:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00"):
        wrong = hq.call("POST", "redeem-batches", body | {"ends_at": end}, key="codes-0002")
        assert (wrong.status_code, wrong.json["code"], wrong.json["data"]["field"]) == (422, "invalid", "ends_at")
