"""The page about one member in a browser: every side of them, tags put on and taken off, the home store moved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from console_world import make_admins, make_busy
from coupon_factories import campaign
from factories import PASSWORD
from tagging import tagged

from app.channels import tags as wecom_state
from app.channels.tags import LibraryGroup, LibraryTag
from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.flows import wecom_tags
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members.models import Member
from app.privacy import commands as privacy
from app.sales.models import OrderLine, SalesOrder
from app.segments import commands as segments

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def _lively(busy) -> None:
    """Tags of every source, two years of orders, a consent withdrawn, several ids."""
    world, now = busy.world, clock.now()
    brand, member = world.brand_id, busy.member
    with transaction():
        for n in range(60):
            order_id, at, fen = ids.new_id(), now - timedelta(days=3 + n * 9), 12_900 + n * 700
            key = {"brand_id": brand, "member_id": member, "order_id": order_id}
            session.add(
                SalesOrder(
                    **key, source="till", order_no=f"S{n:05}", store_id=world.stores[n % 2].id, channel="till",
                    walk_in=False, total_fen=fen, discount_fen=0, paid_fen=fen, status="paid", paid_at=at,
                    correlation_id="cor_test", created_at=at,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                OrderLine(
                    **key, line_no=1, sku="A", name="针织衫", category="针织" if n % 3 else "外套", quantity=1,
                    unit_fen=fen, amount_fen=fen, discount_fen=0, paid_fen=fen,
                )
            )  # fmt: skip
        rule = {"field": "orders.count", "op": "gte", "value": 2}
        segment = segments.save_segment(brand_id=brand, name="两单以上", rule=rule)
        tag = segments.define_tag(brand_id=brand, name="复购客", group_name="价值", kind="rule", segment_id=segment)
        segments.apply_rule(brand_id=brand, tag_id=tag, as_of=now, after=0, limit=100)
        segments.define_tag(brand_id=brand, name="高客单", group_name="价值")
        tagged(brand, member, "羊绒爱好者")
        library = LibraryGroup("g1", "偏好", 0, (LibraryTag("et1", "周末到店"),))
        wecom_state.put_library(brand_id=brand, corp_id=world.wecom.namespace, groups=[library], at=now)
        segments.put(
            brand_id=brand, member_id=member, tag_ids=wecom_tags.adopted(brand, ["et1"]), source="wecom",
            said_by="guide1",
        )  # fmt: skip
        segments.refresh_traits(brand_id=brand, member_ids=[member], as_of=now)
        segments.renew_cuts(brand_id=brand, as_of=now)
        segments.refresh_traits(brand_id=brand, member_ids=[member], as_of=now)
        person = session.get_one(Member, (brand, member)).person_id
        identity.link(
            ids=[
                Identity("external_userid", world.wecom.namespace, "wm_customer_1"),
                Identity("unionid", "open1", "oUnion-8842661"),
                Identity("openid", world.miniprogram.namespace, "oShop-7715532"),
            ],
            source="miniapp",
        )
        privacy.record(
            brand_id=brand, person_id=person, purpose="marketing", channel="sms", granted=False, source="miniapp"
        )


def test_a_member_from_all_sides(app, page, shot) -> None:
    busy = make_busy()
    _lively(busy)
    login = make_admins(busy.world)["hq"].login
    page.set_viewport_size({"width": 1440, "height": 900})
    address = f"/console/members/{ids.encode('mbr', busy.member)}"
    page.goto(address)
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**{address}")
    page.wait_for_selector(".rfm")
    text = page.locator("main").inner_text()
    for expected in (
        "王**",
        "活跃",
        "复购客",
        "周末到店",
        "139****4321",
        "近度 R",
        "针织",
        "一号店",
    ):
        assert expected in text, expected
    moments = ".timeline.tall li:not(.more)"
    assert page.locator(moments).count() == 50
    page.wait_for_selector("#privacy table")
    page.wait_for_selector("#merges:has-text('没有')")
    shot(page, "console-member-360")

    page.click(".timeline .more button")
    page.wait_for_selector(f"{moments}:nth-child(61)")

    page.select_option("select[name=tag]", label="高客单")
    page.click("button:has-text('打标签')")
    page.wait_for_selector(".chip.manual:has-text('高客单')")
    page.click("button[aria-label='移除 复购客']")
    page.wait_for_selector(".chip:has-text('复购客')", state="detached")

    page.select_option("select[name=store]", label="二号店")
    page.fill("input[name=reason]", "顾客搬家")
    page.click("button:has-text('调整归属门店')")
    page.wait_for_selector(".lines:has-text('顾客搬家')")
    assert "二号店" in page.locator(".who-is").inner_text()
    assert "归属门店变更为 二号店" in page.locator(".timeline.tall").inner_text()
    page.set_viewport_size({"width": 800, "height": 900})
    shot(page, "console-member-360-narrow")


def test_a_coupon_is_given_and_withdrawn_on_the_page(app, page, shot) -> None:
    busy = make_busy()
    which = campaign(busy.world, claimable=False, per_member=2)
    page.set_viewport_size({"width": 1440, "height": 900})
    address = f"/console/members/{ids.encode('mbr', busy.member)}"
    page.goto(address)
    page.fill("input[name=login]", make_admins(busy.world)["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("#coupons tr[data-coupon]:has-text('春日满减')")
    page.select_option("#coupons select[name=campaign]", ids.encode("cmp", which))
    page.select_option("#coupons select[aria-label=发券原因]", label="客诉补偿")
    page.click("#coupons button:has-text('发一张')")
    page.wait_for_selector("#coupons .notice:has-text('已发券。')")
    row = "#coupons tr[data-coupon]:has-text('立减券')"
    assert "总部发放" in page.locator(row).inner_text() and page.locator(row).count() == 1
    page.locator("#coupons").scroll_into_view_if_needed()
    page.click(f"{row} summary")
    shot(page, "console-member-coupons")
    page.select_option(f"{row} select[name=reason]", label="发错券")
    page.click(f"{row} button:has-text('确认收回')")
    page.wait_for_selector(f"{row} >> text=此券已作废")
    page.set_viewport_size({"width": 800, "height": 900})
    shot(page, "console-member-coupons-narrow")


def test_tags_are_managed_on_their_page(app, page, shot) -> None:
    busy = make_busy()
    _lively(busy)
    world = busy.world
    with transaction():
        library = LibraryGroup("g1", "偏好", 0, (LibraryTag("et1", "周末到店"), LibraryTag("et2", "亲子")))
        wecom_state.put_library(
            brand_id=world.brand_id, corp_id=world.wecom.namespace, groups=[library], at=clock.now()
        )
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/console/tags")
    page.fill("input[name=login]", make_admins(world)["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/tags")
    page.click("button:has-text('全部导入')")
    page.wait_for_selector("#list tr:has-text('亲子') >> text=双向同步")
    page.fill("input[name=group]", "生命周期")
    page.fill("input[name=name]", "沉睡客")
    page.select_option("select[name=follows]", label="沉睡")
    page.click("button:has-text('新建')")
    page.wait_for_selector("#list tr:has-text('沉睡客') >> text=规则")
    shot(page, "console-tags")
    page.click("#list tr:has-text('沉睡客') >> button:has-text('停用')")
    page.wait_for_selector("#list tr:has-text('沉睡客')", state="detached")
