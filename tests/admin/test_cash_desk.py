"""The cash desk: what a coupon would do, redeem it once, undo it within the rules, the day's list; API and page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from console_world import bearer, make_admins
from coupon_factories import coupon, fresh
from factories import World, make_world
from invariants import broken

from app.admin import auth
from app.core import audit, clock, ids, tokens
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands, desk
from app.coupons.models import Redemption
from app.flows import order_paid
from app.org.models import AdminUser
from app.sales.rules import LineData, OrderData

API = "/api/admin/v1/desk"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai


class Desk:
    """A console user at the desk of the second store."""

    def __init__(self, client: Any, world: World, admin: AdminUser) -> None:
        self.client, self.world, self.admin = client, world, admin
        self.store = world.stores[1].code
        self.keys = 0

    def get(self, path: str = "") -> Any:
        return self.client.get(f"{API}/redemptions{path}", headers=bearer(self.admin))

    def check(self, *codes: str, amount_fen: int = 10000, **more: Any) -> Any:
        body = {"codes": codes, "store": self.store, "amount_fen": amount_fen} | more
        return self.client.post(f"{API}/check", json=body, headers=bearer(self.admin))

    def redeem(self, *codes: str, amount_fen: int = 10000, key: str = "", order_no: str = "", **more: Any) -> Any:
        self.keys += 1
        order_no = order_no or f"XS-{self.keys}"
        headers = bearer(self.admin) | {"Idempotency-Key": key or f"desk-key-{self.keys}"}
        body = {"codes": codes, "store": self.store, "amount_fen": amount_fen, "order_no": order_no} | more
        return self.client.post(f"{API}/redemptions", json=body, headers=headers)

    def undo(self, slip: str, reason: str = "wrong_amount") -> Any:
        body = {"store": self.store, "reason": reason}
        return self.client.post(f"{API}/redemptions/{slip}/undo", json=body, headers=bearer(self.admin))

    def status(self, one: Any) -> str:
        return fresh(self.world, one.member_id, one.coupon_id).status


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


@pytest.fixture
def at_desk(client: Any, world: World, admins: dict[str, AdminUser]) -> Desk:
    return Desk(client, world, admins["store"])


def test_from_the_check_to_the_list(world: World, at_desk: Desk) -> None:
    mine = coupon(world, kind="threshold", amount_fen=5000, threshold_fen=30000)
    shown, _ = codes.rotating(mine.code, clock.now())
    looked = at_desk.check(shown, amount_fen=29900)
    assert looked.status_code == 200, looked.json
    (told,) = looked.json["coupons"]
    assert told["usable"] is False and told["why"]["words"] == "还差¥1.00，满¥300可用"
    assert told["summary"] == "满¥300减¥50" and looked.json["pay_fen"] == 29900
    assert at_desk.check(shown, amount_fen=0).json["coupons"][0]["usable"] is None
    looked = at_desk.check(shown, amount_fen=36800)
    assert (looked.json["discount_fen"], looked.json["pay_fen"]) == (5000, 31800)
    assert at_desk.status(mine) == "claimed"

    done = at_desk.redeem(shown, amount_fen=36800, order_no="XS-1")
    assert done.status_code == 201, done.json
    assert (done.json["discount_fen"], done.json["pay_fen"], done.json["by"]) == (5000, 31800, "store")
    assert at_desk.status(mine) == "redeemed"
    listed = at_desk.get().json  # a store's own user need not name it
    assert listed["items"] == [done.json]
    assert listed["totals"] == {"redeemed": 1, "discount_fen": 5000, "amount_fen": 36800, "undone": 0}
    with transaction():
        row = session.query(Redemption).one()
        assert (row.source, row.store_id, row.api_client_id) == ("desk", world.stores[1].id, None)
        (entry,) = audit.entries(actors={ids.encode("adm", at_desk.admin.id)}, limit=9)
        assert (entry.action, entry.subject) == ("desk.redeem", done.json["id"])
        assert entry.correlation_id == row.correlation_id
    assert broken() == []


def test_a_key_redeems_once_and_answers_again(world: World, at_desk: Desk, admins: dict[str, AdminUser]) -> None:
    mine, other = coupon(world), coupon(world)
    asked: dict[str, Any] = {"key": "pressed-twice", "order_no": "A1"}
    done = at_desk.redeem(mine.code, **asked)
    assert at_desk.redeem(mine.code, **asked).json == done.json
    for codes_, change in (
        ((other.code,), {}),
        ((mine.code,), {"amount_fen": 10001}),
        ((mine.code,), {"order_no": "B"}),
    ):
        answer = at_desk.redeem(*codes_, **(asked | change))
        assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused"), change
    somebody = Desk(at_desk.client, world, admins["hq"])
    assert somebody.redeem(mine.code, **asked).json["code"] == "coupon_redeemed"
    assert at_desk.redeem(mine.code).json["code"] == "coupon_redeemed"
    assert at_desk.status(other) == "claimed"
    with transaction():
        assert session.query(desk.DeskSlip).count() == 1
        assert len(audit.entries(actors=None, limit=9)) == 1
    assert broken() == []


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("NONSENSE", "coupon_unknown", "券码有误，请核对后重新输入"),
        (codes.new_code(), "coupon_unknown", "没有找到这张券，请核对券码"),
    ],
    ids=["mistyped", "nobody's"],
)
def test_a_code_that_is_nobodys_is_refused_in_words(at_desk: Desk, code: str, error: str, words: str) -> None:
    for answer in (at_desk.check(code), at_desk.redeem(code)):
        assert (answer.status_code, answer.json["code"], answer.json["data"]["words"]) == (404, error, words)
    with transaction():
        assert session.query(desk.DeskSlip).count() == 0


def test_another_brands_coupon_is_nobodys(at_desk: Desk) -> None:
    assert at_desk.redeem(coupon(make_world()).code).json["code"] == "coupon_unknown"


def test_an_old_rotating_code_asks_for_the_next(world: World, at_desk: Desk) -> None:
    shown, _ = codes.rotating(coupon(world).code, clock.now() - timedelta(minutes=5))
    answer = at_desk.check(shown)
    assert (answer.json["code"], answer.json["data"]["words"][:6]) == ("code_expired", "券码已过时，")


def test_lines_make_gifts_and_freight_possible(world: World, at_desk: Desk) -> None:
    gift = coupon(world, kind="gift", gift_skus=frozenset({"G-1"}))
    (told,) = at_desk.check(gift.code).json["coupons"]
    assert told["why"]["words"] == "订单中没有可兑换的商品，兑换商品：G-1"
    line = {"line_no": 1, "sku": "G-1", "quantity": 2, "amount_fen": 9000}
    assert at_desk.redeem(gift.code, amount_fen=0, lines=[line]).json["discount_fen"] == 4500
    freight = coupon(world, kind="shipping", amount_fen=0)
    assert at_desk.redeem(freight.code, freight_fen=800).json["discount_fen"] == 800
    assert at_desk.redeem(coupon(world).code, amount_fen=0).json["code"] == "order_empty"
    assert at_desk.redeem(coupon(world).code, amount_fen=0, lines=[line] * 2).json["code"] == "line_number_twice"
    assert broken() == []


def test_several_coupons_go_on_one_order_or_none(world: World, at_desk: Desk) -> None:
    first = coupon(world, amount_fen=1000, stack_group="cash")
    tenth = coupon(world, kind="percent", percent_bp=1000, stack_group="share")
    alone = coupon(world, amount_fen=700)
    looked = at_desk.check(tenth.code, first.code, alone.code, amount_fen=10000)
    assert [one["discount_fen"] for one in looked.json["coupons"]] == [900, 1000, 0]
    assert looked.json["coupons"][2]["why"]["words"] == "不能与本单已用的券同时使用"
    assert (looked.json["discount_fen"], looked.json["pay_fen"]) == (1900, 8100)
    refused = at_desk.redeem(tenth.code, first.code, alone.code)
    assert (refused.status_code, refused.json["code"]) == (409, "coupon_not_stackable")
    assert {at_desk.status(one) for one in (first, tenth, alone)} == {"claimed"}
    done = at_desk.redeem(tenth.code, first.code, order_no="XS-2").json
    assert [one["discount_fen"] for one in done["coupons"]] == [1000, 900] and done["pay_fen"] == 8100
    assert at_desk.check(alone.code, codes.rotating(alone.code, clock.now())[0]).json["code"] == "coupon_twice"
    assert at_desk.get().json["totals"] == {"redeemed": 2, "discount_fen": 1900, "amount_fen": 10000, "undone": 0}
    again = at_desk.check(alone.code, order_no="XS-2").json
    assert again["before"] == ["立减券 -¥10", "立减券 -¥9"] and again["coupons"][0]["why"]
    assert at_desk.undo(done["id"]).status_code == 200
    assert {at_desk.status(one) for one in (first, tenth)} == {"returned"}
    assert at_desk.get().json["totals"] == {"redeemed": 0, "discount_fen": 0, "amount_fen": 0, "undone": 2}
    assert broken() == []


def test_terms_of_place_channel_and_time_hold_at_the_desk(world: World, at_desk: Desk) -> None:
    day = clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    for values, words in (
        ({"channels": frozenset({"mall"})}, "仅限商城使用"),
        ({"dealer_ids": frozenset({world.dealer.id})}, ""),
        ({"region_ids": frozenset({world.region.id + 1})}, "仅限指定的 1 个区域的门店使用"),
        ({"except_store_ids": frozenset({world.stores[1].id})}, "此券不能在本店使用"),
        ({"except_days": frozenset({day})}, f"{day.year}年{day.month}月{day.day}日不可用"),
    ):
        (told,) = at_desk.check(coupon(world, **values).code).json["coupons"]
        assert (told["why"] or {"words": ""})["words"] == words


def test_each_works_at_their_own_stores_only(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    mine = coupon(world)
    first = world.store.code
    abroad = make_world().store
    with transaction():
        session.merge(abroad).code = "S-ABROAD"
    for role, served in {"store": False, "dealer": False, "region": True, "hq": True}.items():
        one = Desk(client, world, admins[role])
        assert one.check(mine.code, store=first).status_code == (200 if served else 404), role
        assert one.redeem(mine.code, amount_fen=0, store=first).status_code == (422 if served else 404), role
        assert one.get(f"?store={first}").status_code == (200 if served else 404), role
        for nobodys in ("S-ABROAD", "s001", "x"):
            assert one.check(mine.code, store=nobodys).status_code == 404
    assert Desk(client, world, admins["hq"]).check(mine.code, store="").json["code"] == "store_unknown"
    with transaction():
        session.merge(world.stores[1]).status = "closed"
    assert Desk(client, world, admins["store"]).check(mine.code).status_code == 404


def test_an_undo_gives_the_coupon_back_once(world: World, at_desk: Desk) -> None:
    mine = coupon(world)
    slip = at_desk.redeem(mine.code, order_no="A1").json["id"]
    assert at_desk.get().json["items"][0]["may_undo"]
    assert at_desk.undo(slip, "no such reason").status_code == 422
    assert at_desk.undo(slip).status_code == 200
    again = at_desk.undo(slip)
    assert (again.status_code, again.json["data"]["words"]) == (409, "这笔核销已经撤销")
    assert at_desk.status(mine) == "returned"
    listed = at_desk.get().json
    assert listed["totals"] == {"redeemed": 0, "discount_fen": 0, "amount_fen": 0, "undone": 1}
    (line,) = listed["items"]
    assert (line["undone_by"], line["undo_reason"], line["may_undo"]) == ("store", "wrong_amount", False)
    with transaction():
        actions = [entry.action for entry in audit.entries(actors=None, limit=9)]
    assert actions == ["desk.undo", "desk.redeem"]
    # The customer may use it at once, for the same order number too.
    assert at_desk.redeem(mine.code, amount_fen=8000, order_no="A1").status_code == 201
    assert at_desk.get().json["totals"] == {"redeemed": 1, "discount_fen": 500, "amount_fen": 8000, "undone": 1}
    assert broken() == []


@pytest.mark.parametrize(
    ("begun", "later", "own", "other"),
    [
        (NOON, timedelta(minutes=29), "", ""),
        (NOON, timedelta(minutes=31), "undo_by_another", ""),
        (NOON, timedelta(hours=11, minutes=59), "undo_by_another", ""),
        (NOON, timedelta(hours=12), "undo_too_late", "undo_too_late"),
        (NOON + timedelta(hours=11, minutes=50), timedelta(minutes=20), "", ""),
        (NOON + timedelta(hours=11, minutes=50), timedelta(minutes=31), "undo_too_late", "undo_too_late"),
    ],
)
def test_who_may_undo_and_until_when(
    client: Any, world: World, admins: dict[str, AdminUser], begun: datetime, later: timedelta, own: str, other: str
) -> None:
    cashier, dealer = Desk(client, world, admins["store"]), Desk(client, world, admins["dealer"])
    for who, expected in ((cashier, own), (dealer, other)):
        with time_machine.travel(begun, tick=False):
            slip = cashier.redeem(coupon(world).code).json["id"]
        with time_machine.travel(begun + later, tick=False):
            answer = who.undo(slip)
            assert answer.json.get("code", "") == expected if expected else answer.status_code == 200, answer.json
    assert broken() == []


def test_an_order_that_was_uploaded_is_refunded_not_undone(world: World, at_desk: Desk) -> None:
    mine = coupon(world)
    done = at_desk.redeem(mine.code, order_no="XS-9").json
    line = LineData(
        line_no=1, sku="A", name="鞋", category="", quantity=1, unit_fen=10000, amount_fen=10000, discount_fen=500
    )
    with transaction():
        order_paid.order_paid(
            brand_id=world.brand_id,
            member_id=None,
            order=OrderData(
                source="till", order_no="XS-9", store_id=world.stores[1].id, paid_at=clock.now(), lines=(line,)
            ),
            redemptions=[ids.decode("rdm", done["coupons"][0]["redemption"])],
        )
    answer = at_desk.undo(done["id"])
    assert (answer.status_code, answer.json["code"]) == (409, "order_uploaded")
    assert at_desk.status(mine) == "redeemed"
    assert broken() == []


def test_a_slip_of_another_store_is_not_there(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    hq = Desk(client, world, admins["hq"])
    slip = hq.redeem(coupon(world).code, store=world.store.code).json["id"]
    for nobodys in (slip, ids.encode("dsk", 5), "x"):
        assert Desk(client, world, admins["store"]).undo(nobodys).status_code == 404


def test_the_day_is_paged_and_holds_today_only(world: World, at_desk: Desk) -> None:
    with time_machine.travel(NOON - timedelta(hours=13), tick=False):
        at_desk.redeem(coupon(world).code, order_no="yesterday")
    with time_machine.travel(NOON, tick=False):
        for number in range(3):
            at_desk.redeem(coupon(world).code, order_no=f"A{number}")
        first = at_desk.get("?limit=2").json
        second = at_desk.get(f"?limit=2&cursor={first['next_cursor']}").json
        assert [one["order_no"] for one in (*first["items"], *second["items"])] == ["A2", "A1", "A0"]
        assert second["next_cursor"] is None and first["totals"]["redeemed"] == 3


# ---- the page, without JavaScript


class Page:
    def __init__(self, client: Any, admin: AdminUser, store: str) -> None:
        token, _ = auth.token_of(admin)
        self.client, self.store = client, store
        client.set_cookie("siyu_admin", token)
        self.csrf = auth._csrf_of(tokens.read("admin", token))

    def post(self, path: str, **form: str) -> Any:
        return self.client.post(f"/console/{path}", data={"csrf_token": self.csrf, "store": self.store} | form)

    def hidden(self, html: str) -> dict[str, str]:
        form = html[html.index("data-once") :]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")]))


@pytest.fixture
def page(client: Any, world: World, admins: dict[str, AdminUser]) -> Page:
    return Page(client, admins["store"], world.stores[1].code)


def test_the_page_redeems_once_however_often_it_is_sent(world: World, page: Page) -> None:
    mine = coupon(world)
    shown = page.post("desk", code=mine.code.lower(), amount="1,368.50")
    assert shown.status_code == 200 and "确认核销，实收 ¥1,363.50" in shown.text
    form = page.hidden(shown.text)
    assert re.fullmatch(r"D\d{6}[0-9A-Z]{9}", form["order_no"])
    first = page.post("desk/redeem", **form)
    assert first.status_code == 303, first.text
    assert page.post("desk/redeem", **form).headers["Location"] == first.headers["Location"]
    done = page.client.get(first.headers["Location"])
    assert "核销成功" in done.text and "¥1,363.50" in done.text and form["order_no"] in done.text
    with transaction():
        assert session.query(Redemption).count() == 1
    assert broken() == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"amount": "99"}, "请扫描或输入券码。"),
        ({"code": "23456", "amount": "99"}, "券码有误"),
        ({"amount": "-5"}, "应收金额不正确"),
        ({"amount": "1.234"}, "应收金额不正确"),
        ({"amount": "１００"}, "应收金额不正确"),
        ({"amount": "99999999"}, "应收金额不正确"),
        ({"freight": "x"}, "运费不正确"),
        ({"price_1": "10"}, "第 1 行请填写货号。"),
        ({"sku_1": "A"}, "第 1 行请填写金额。"),
        ({"sku_1": "A", "price_1": "10", "quantity_1": "0"}, "第 1 行的数量不正确。"),
        ({"sku_1": "A", "price_1": "10", "amount": "11"}, "商品合计 ¥10，与应收金额 ¥11 不一致"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_keeps_the_rest(page: Page, form: dict[str, str], words: str) -> None:
    answer = page.post("desk", **({"order_no": "XS-77"} | form))
    assert answer.status_code == 422 and words in answer.text and 'value="XS-77"' in answer.text


def test_a_refused_button_says_why_and_offers_a_new_key(world: World, page: Page) -> None:
    mine = coupon(world)
    form = page.hidden(page.post("desk", code=mine.code, amount="99").text)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=mine.campaign_id, status="paused")
    answer = page.post("desk/redeem", **form)
    assert answer.status_code == 409 and "活动已暂停，恢复后可用" in answer.text and 'value="99"' in answer.text
    assert page.post("desk", code="", edit="1", amount="5").status_code == 200
    assert page.post("desk/redeem", **(form | {"order_no": ""})).status_code == 422
    assert page.post("desk/redeem", **(form | {"key": ""})).status_code == 422


def test_the_page_undoes_with_a_reason(world: World, page: Page) -> None:
    form = page.hidden(page.post("desk", code=coupon(world).code, amount="99").text)
    slip = page.post("desk/redeem", **form).headers["Location"].split("done=")[1]
    assert "请选择撤销原因。" in page.post(f"desk/{slip}/undo", reason="").text
    undone = page.post(f"desk/{slip}/undo", reason="wrong_coupon")
    assert undone.status_code == 303
    text = page.client.get(undone.headers["Location"]).text
    assert "已撤销「立减券」" in text and "核错了券" in text
    assert "这笔核销已经撤销" in page.post(f"desk/{slip}/undo", reason="fault").text


def test_who_has_many_stores_chooses_one(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    page = Page(client, admins["hq"], world.store.code)
    assert "在哪家门店核销" in client.get("/console/desk").text
    assert "一号店" in client.get(f"/console/desk?store={page.store}").text
    assert client.get("/console/desk?store=x").status_code == 404
    assert client.get(f"/console/desk?store={page.store}&done=dsk_x").status_code == 404
    assert client.get(f"/console/desk?store={page.store}&undone=dsk_x").status_code == 200
