"""收银台核销 in a browser: at the counter's PC with a scanner that types, and on a phone with its camera."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import make_admins
from coupon_factories import coupon, fresh, terms
from factories import PASSWORD, World, make_world
from invariants import broken

from app.core import clock
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.org.models import AdminUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A browser that reads codes: what the camera sees is the test's business.
CAMERA = """
window.BarcodeDetector = class {
  static getSupportedFormats() { return Promise.resolve(['qr_code', 'code_128', 'ean_13']); }
  detect() { return Promise.resolve(window.shownCode ? [{ rawValue: window.shownCode }] : []); }
};
const canvas = document.createElement('canvas');
Object.defineProperty(navigator, 'mediaDevices', { value: { getUserMedia: async () => {
  const context = canvas.getContext('2d');
  context.fillStyle = '#334'; context.fillRect(0, 0, 300, 150);
  return canvas.captureStream(5);
} } });
"""


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _named(world: World, name: str, **values: Any) -> int:
    """A campaign with a name that a shopper would read."""
    with transaction():
        return commands.create_campaign(
            brand_id=world.brand_id, code=name, name=name, terms=terms(**values), quota=100, claimable=True
        )


def _sign_in(page: Any, admin: AdminUser) -> None:
    page.goto("/console/desk")
    page.fill("input[name=login]", admin.login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/desk")


def _scan(page: Any, code: str) -> None:
    """A scanner that types: the code and Enter, into whatever has the focus."""
    assert page.evaluate("document.activeElement.name") == "code"
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def test_a_shift_at_the_counter(world: World, page: Any, shot: Any) -> None:
    admins = make_admins(world)
    spring = _named(world, "春日满减券", kind="threshold", amount_fen=5000, threshold_fen=30000, valid_days=15)
    here_only = _named(world, "二号店专享券", amount_fen=2000, store_ids=frozenset({world.stores[1].id}), valid_days=3)
    elsewhere = _named(world, "一号店专享券", amount_fen=2000, store_ids=frozenset({world.store.id}))
    mine = coupon(world, spring)
    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, admins["store"])
    shot(page, "desk-empty")

    # Scanned first: the terms, and a request for the amount.
    _scan(page, codes.rotating(mine.code, clock.now())[0])
    page.wait_for_selector("text=此券可用，请填写应收金额")
    assert page.evaluate("document.activeElement.name") == "amount"
    shot(page, "desk-terms")
    page.keyboard.type("268")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert] >> text=还差¥32.00，满¥300可用")
    shot(page, "desk-refused")
    page.fill("[name=amount]", "368.00")
    page.fill("[name=order_no]", "XS20260302-018")
    page.fill("[name=code]", codes.rotating(mine.code, clock.now())[0])
    page.keyboard.press("Enter")
    page.wait_for_selector("button:has-text('确认核销，实收 ¥318.00')")
    shot(page, "desk-ready")
    page.click("button:has-text('返回修改')")
    assert page.input_value("[name=amount]") == "368.00"
    page.click("button:has-text('查询优惠')")
    # Pressed twice as fast as a hand can.
    page.dblclick("button.huge")
    page.wait_for_selector("text=核销成功")
    assert "¥318.00" in page.locator(".work").inner_text()
    shot(page, "desk-done")
    page.reload()
    page.wait_for_selector("text=核销成功")
    assert page.locator(".slips li").count() == 1

    _scan(page, coupon(world, elsewhere).code)
    page.wait_for_selector("[role=alert] >> text=仅限一号店使用")
    _scan(page, "ABCDE")
    page.wait_for_selector("[role=alert] >> text=券码有误")
    page.fill("[name=amount]", "99")
    page.fill("[name=code]", coupon(world, here_only).code)
    page.keyboard.press("Enter")
    page.wait_for_selector("button:has-text('实收 ¥79.00')")
    # A second coupon that does not go with it is refused, and the first stays.
    _scan(page, coupon(world).code)
    page.wait_for_selector("[role=alert] >> text=不能与本单已用的券同时使用")
    shot(page, "desk-not-together")
    assert page.locator("button.huge").inner_text() == "确认核销，实收 ¥79.00"
    page.click("button.huge")
    page.wait_for_selector("text=核销成功")

    # Undone for a reason.
    page.click(".slips li:nth-child(2) .undo summary")
    page.select_option(".undo[open] select", "wrong_amount")
    shot(page, "desk-undo")
    page.click(".undo[open] button")
    page.wait_for_selector("text=已撤销「春日满减券」")
    assert "金额或订单号录错" in page.locator(".slips").inner_text()
    totals = "".join(page.locator(".totals").inner_text().split())
    assert totals == "核销1张优惠金额¥20.00实收金额¥79.00已撤销1张"
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned"
    shot(page, "desk-day")
    assert broken() == []


def test_on_a_phone_with_the_camera(world: World, page: Any, shot: Any) -> None:
    admins = make_admins(world)
    gift = coupon(world, _named(world, "生日礼兑换券", kind="gift", gift_skus=frozenset({"GIFT-08"})))
    page.add_init_script(CAMERA)
    page.set_viewport_size({"width": 390, "height": 844})
    _sign_in(page, admins["dealer"])
    shot(page, "desk-phone")
    page.evaluate("code => { window.shownCode = code; }", codes.rotating(gift.code, clock.now())[0])
    page.fill("[name=amount]", "129")
    page.click("text=扫码")
    page.wait_for_selector("[role=alert] >> text=订单中没有可兑换的商品，兑换商品：GIFT-08")
    shot(page, "desk-phone-refused")
    page.click("summary:has-text('按商品录入')")
    page.fill("[name=sku_1]", "GIFT-08")
    page.fill("[name=price_1]", "129")
    page.fill("[name=code]", codes.rotating(gift.code, clock.now())[0])
    shot(page, "desk-phone-lines")
    page.click("button:has-text('查询优惠')")
    page.wait_for_selector("button:has-text('实收 ¥0.00')")
    shot(page, "desk-phone-ready")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.click("button.huge")
    page.wait_for_selector("text=核销成功")
    shot(page, "desk-phone-done")
    for selector in ("button.huge", "[name=code]", "[name=amount]"):
        for box in page.locator(selector).all():
            assert box.bounding_box()["height"] >= 44
    # The camera refused: words, and the way by hand.
    page.goto("/console/desk")
    page.evaluate("void (navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no')))")
    page.click("text=扫码")
    page.wait_for_selector("text=无法打开摄像头")
    page.click("dialog >> text=取消")
    assert broken() == []


def test_without_javascript_a_typed_code_is_redeemed_and_undone(
    world: World, chromium: Any, address: str, shot: Any
) -> None:
    admins, mine = make_admins(world), coupon(world)
    context = chromium.new_context(base_url=address, locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    _sign_in(page, admins["hq"])
    page.select_option("select[name=store]", label="一号店（S001）")
    page.click("text=进入收银台")
    page.fill("[name=code]", mine.code)
    page.fill("[name=amount]", "20")
    page.click("text=查询优惠")
    page.click("text=确认核销，实收 ¥15.00")
    page.wait_for_selector("text=核销成功")
    page.click(".undo summary")
    page.select_option(".undo select", "order_cancelled")
    page.click("text=确认撤销")
    page.wait_for_selector("text=已撤销「立减券」")
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned"
    context.close()
    assert broken() == []
