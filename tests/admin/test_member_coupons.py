"""One member's coupons before customer service: seen with why they are not usable, withdrawn, given once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from console_world import Desk, Pages, make_admins
from coupon_factories import campaign, coupon, fresh, redeem, till
from factories import World, make_world
from invariants import broken
from people import make_member
from sqlalchemy import select, update

from app.admin import audit_wording
from app.core import clock, ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import Coupon, CouponEvent
from app.members.models import Member
from app.org.models import AdminUser


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


@pytest.fixture
def hq(client: Any, admins: dict[str, AdminUser]) -> Desk:
    return Desk(client, admins["hq"])


@pytest.fixture
def pages(client: Any, admins: dict[str, AdminUser]) -> Pages:
    return Pages(client, admins["hq"])


@pytest.fixture
def member(world: World) -> int:
    with transaction():
        return make_member(world, store=world.store)


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("coupons.") == []


def _mbr(member_id: int) -> str:
    return ids.encode("mbr", member_id)


def _cpn(one: Coupon | int) -> str:
    return ids.encode("cpn", one if isinstance(one, int) else one.coupon_id)


def _void(one: Coupon) -> str:
    return f"members/{_mbr(one.member_id)}/coupons/{_cpn(one)}/void"


def _end(world: World, one: Coupon) -> None:
    """The coupon's validity is over, which no sweep has marked yet."""
    now = clock.now()
    with transaction():
        session.execute(
            update(Coupon)
            .where(Coupon.brand_id == world.brand_id, Coupon.coupon_id == one.coupon_id)
            .values(valid_from=now - timedelta(days=2), valid_to=now - timedelta(days=1))
        )


def _audited(action: str) -> list[AuditLog]:
    with transaction():
        return list(session.scalars(select(AuditLog).where(AuditLog.action == action).order_by(AuditLog.id)))


def _held(world: World, member_id: int) -> list[queries.Card]:
    with transaction():
        return queries.wallet(world.brand_id, member_id)


# ---- seen


def test_coupons_are_listed_newest_first_with_why_they_are_not_usable(world: World, hq: Desk, member: int) -> None:
    good = coupon(world, member_id=member, kind="threshold", amount_fen=5000, threshold_fen=30000)
    used, over, later = (coupon(world, member_id=member, wait_days=wait) for wait in (0, 0, 3))
    redeem(world, used.code)
    _end(world, over)
    page = hq.call("GET", f"members/{_mbr(member)}/coupons?limit=3").json
    rest = hq.call("GET", f"members/{_mbr(member)}/coupons?limit=3&cursor={page['next_cursor']}").json
    assert rest["next_cursor"] is None
    told = [*page["items"], *rest["items"]]
    assert [one["id"] for one in told] == [_cpn(one) for one in (later, over, used, good)]
    assert [one["status"] for one in told] == ["claimed", "expired", "redeemed", "claimed"]
    assert [one["usable"] for one in told] == [False, False, False, True]
    whys = [one["why"] and one["why"]["code"] for one in told]
    assert whys == ["coupon_not_yet_valid", "coupon_expired", "coupon_redeemed", None]
    assert told[0]["why"]["words"].endswith("起可用") and told[2]["why"]["words"] == "此券已经使用过"
    assert (told[3]["summary"], told[3]["source"], told[3]["name"]) == ("满¥300减¥50", "self", "立减券")
    assert hq.call("GET", f"members/{_mbr(member)}/coupons?cursor=x").json["code"] == "cursor_invalid"


def test_coupons_are_seen_by_whoever_sees_the_member_and_changed_by_headquarters(
    world: World, client: Any, admins: dict[str, AdminUser], member: int
) -> None:
    mine = coupon(world, member_id=member)
    path, give = f"members/{_mbr(member)}/coupons", {"campaign": "cmp_0000000000005", "reason": "care"}
    away = Desk(client, make_admins(make_world())["hq"])
    assert away.call("GET", path).status_code == away.call("POST", path, give, key="away-0001").status_code == 404
    assert away.call("POST", _void(mine), {"reason": "asked_for"}).status_code == 404
    for role, sees in (("region", 200), ("store", 404), ("dealer", 404)):  # the store and the dealer are the second's
        one = Desk(client, admins[role])
        assert one.call("GET", path).status_code == sees, role
        assert one.call("POST", path, give, key="role-0001").status_code == 403
        assert one.call("POST", _void(mine), {"reason": "asked_for"}).status_code == 403
    assert fresh(world, member, mine.coupon_id).status == "claimed"
    panel = Pages(client, admins["region"]).get(path).text
    assert "立减券" in panel and "收回" not in panel and "发一张" not in panel


# ---- withdrawn


def test_one_open_coupon_is_withdrawn_for_a_reason(world: World, hq: Desk, member: int) -> None:
    mine, other = coupon(world, member_id=member), coupon(world, member_id=member)
    assert hq.call("POST", _void(mine), {"reason": "会员张三的要求"}).status_code == 422  # nobody's words
    answer = hq.call("POST", _void(mine), {"reason": "given_twice"})
    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["why"]["words"]) == ("voided", "此券已作废")
    assert fresh(world, member, other.coupon_id).status == "claimed"
    with transaction():
        event = session.scalars(select(CouponEvent).where(CouponEvent.to_status == "voided")).one()
        told = session.scalars(select(Outbox).where(Outbox.name == "coupons.voided")).one()
    assert (event.coupon_id, event.cause) == (mine.coupon_id, "withdrawn")
    assert (told.member_id, told.payload["coupon_id"]) == (member, mine.coupon_id)
    (row,) = _audited("coupons.withdrawn")
    assert row.subject == _mbr(member) and row.data["coupon"] == _cpn(mine)
    assert dict(audit_wording.facts(row.data))["原因"] == "重复发放"
    again = hq.call("POST", _void(mine), {"reason": "given_twice"})
    assert (again.status_code, again.json["code"], again.json["data"]["words"]) == (
        409,
        "coupon_voided",
        "此券已作废",
    )
    assert len(_audited("coupons.withdrawn")) == 1


def test_what_is_not_open_is_not_withdrawn(world: World, hq: Desk, member: int) -> None:
    used, over = coupon(world, member_id=member), coupon(world, member_id=member)
    redeem(world, used.code)
    _end(world, over)
    for one, code in ((used, "coupon_redeemed"), (over, "coupon_expired")):
        answer = hq.call("POST", _void(one), {"reason": "misused"})
        assert (answer.status_code, answer.json["code"]) == (409, code)
        assert re.search("[一-鿿]", answer.json["data"]["words"])
    assert fresh(world, member, used.coupon_id).status == "redeemed" and _audited("coupons.withdrawn") == []


def test_a_coupon_is_withdrawn_from_its_owner_only(world: World, hq: Desk, member: int) -> None:
    with transaction():
        beside = make_member(world, store=world.store)
    theirs = coupon(world, member_id=beside)
    for which in (_cpn(theirs), _cpn(ids.new_id()), "nonsense"):
        answer = hq.call("POST", f"members/{_mbr(member)}/coupons/{which}/void", {"reason": "misused"})
        assert (answer.status_code, answer.json["code"]) == (404, "coupon_unknown")
    assert fresh(world, beside, theirs.coupon_id).status == "claimed"


def test_what_an_order_or_a_friend_holds_can_be_withdrawn(world: World, hq: Desk, member: int) -> None:
    held, offered = coupon(world, member_id=member), coupon(world, member_id=member, transferable=True)
    with transaction():
        commands.lock(counter=till(world), member_id=member, coupon_id=held.coupon_id, order_no="O1")
        commands.offer_transfer(brand_id=world.brand_id, member_id=member, coupon_id=offered.coupon_id)
    for one in (held, offered):
        assert hq.call("POST", _void(one), {"reason": "misused"}).json["status"] == "voided"


# ---- given


def test_one_coupon_is_given_once_a_key(world: World, hq: Desk, member: int) -> None:
    which = campaign(world, claimable=False, per_member=5)
    path, body = f"members/{_mbr(member)}/coupons", {"campaign": ids.encode("cmp", which), "reason": "complaint"}
    assert hq.call("POST", path, body).json["code"] == "idempotency_key_missing"
    first = hq.call("POST", path, body, key="give-0001")
    assert first.status_code == 201 and (first.json["source"], first.json["usable"]) == ("admin", True)
    assert hq.call("POST", path, body, key="give-0001").json["id"] == first.json["id"]
    other = hq.call("POST", path, body | {"reason": "care"}, key="give-0001")
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert [_cpn(one.coupon_id) for one in _held(world, member)] == [first.json["id"]]
    (row,) = _audited("coupons.given")
    assert row.subject == _mbr(member) and row.data["coupon"] == first.json["id"]
    assert dict(audit_wording.facts(row.data))["原因"] == "客诉补偿"
    assert hq.call("POST", path, body, key="give-0002").json["id"] != first.json["id"]


@pytest.mark.parametrize(
    ("code", "terms", "status"),
    [
        ("limit_reached", {}, 409),
        ("sold_out", {"quota": 1}, 409),
        ("sold_out_today", {"day_quota": 1}, 409),
        ("period_limit_reached", {"per_member": 9, "per_day": 1}, 409),
        ("campaign_paused", {"quota": 9}, 409),
        ("campaign_unknown", {"quota": 9}, 404),
    ],
)
def test_a_refusal_says_in_chinese_why(
    world: World, hq: Desk, pages: Pages, member: int, code: str, terms: dict[str, Any], status: int
) -> None:
    which = campaign(world, **terms)
    with transaction():
        beside = make_member(world, store=world.store)
    if code.startswith("campaign"):
        with transaction():
            commands.set_status(brand_id=world.brand_id, campaign_id=which, status="paused")
        which = ids.new_id() if code == "campaign_unknown" else which
    else:
        coupon(world, which, member_id=member if code.endswith("limit_reached") else beside)
    before = len(_held(world, member))
    body = {"campaign": ids.encode("cmp", which), "reason": "owed"}
    answer = hq.call("POST", f"members/{_mbr(member)}/coupons", body, key="give-0003")
    assert (answer.status_code, answer.json["code"]) == (status, code)
    words = answer.json["data"]["words"]
    assert re.search("[一-鿿]", words)
    assert words in pages.post(f"members/{_mbr(member)}/coupons", **body).text
    assert len(_held(world, member)) == before and _audited("coupons.given") == []


def test_a_frozen_member_is_given_nothing(world: World, hq: Desk, pages: Pages, member: int) -> None:
    body = {"campaign": ids.encode("cmp", campaign(world)), "reason": "care"}
    with transaction():
        session.get_one(Member, (world.brand_id, member)).status = "frozen"
    answer = hq.call("POST", f"members/{_mbr(member)}/coupons", body, key="give-0004")
    assert (answer.status_code, answer.json["code"]) == (409, "member_not_active")
    assert answer.json["data"]["words"] == "会员已冻结或注销，不能发券"
    assert "发一张" not in pages.get(f"members/{_mbr(member)}/coupons").text and _held(world, member) == []


# ---- the panel


def test_the_panel_shows_gives_and_withdraws(world: World, pages: Pages, member: int) -> None:
    path, which = f"members/{_mbr(member)}/coupons", ids.encode("cmp", campaign(world, claimable=False))
    assert f'hx-get="/console/{path}"' in pages.get(f"members/{_mbr(member)}").text
    empty = pages.get(path).text
    assert "没有优惠券" in empty and which in empty
    key = re.search(r'name="key" value="(\w+)"', empty)
    assert key
    assert "请选择券活动和发券原因。" in pages.post(path, campaign=which, reason="").text
    for _ in range(2):  # pressed twice
        given = pages.post(path, campaign=which, reason="owed", key=key[1]).text
        assert "已发券。" in given and "总部发放" in given and f'value="{key[1]}"' not in given
    (card,) = _held(world, member)
    assert which not in given  # one a member: no more of it is offered
    assert "请选择收回原因。" in pages.post(f"{path}/{_cpn(card.coupon_id)}/void", reason="因为").text
    gone = pages.post(f"{path}/{_cpn(card.coupon_id)}/void", reason="given_by_mistake").text
    assert "已收回。" in gone and "此券已作废" in gone and "确认收回" not in gone
    again = pages.post(f"{path}/{_cpn(card.coupon_id)}/void", reason="given_by_mistake")
    assert again.status_code == 200 and "此券已作废。" in again.text
    assert pages.post(f"{path}/{_cpn(ids.new_id())}/void", reason="misused").status_code == 404


def test_the_panel_goes_on_to_older_coupons(world: World, pages: Pages, member: int) -> None:
    which, path = campaign(world, per_member=30), f"members/{_mbr(member)}/coupons"
    for _ in range(22):
        coupon(world, which, member_id=member)
    first = pages.get(path).text
    more = re.search(r'hx-get="/console/(members/\w+/coupons\?cursor=[^"]+)"', first)
    assert first.count("data-coupon=") == 20 and more
    rest = pages.get(more[1]).text
    assert rest.count("data-coupon=") == 2 and "更早的券" not in rest and "<table" not in rest
