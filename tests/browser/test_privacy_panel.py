"""The privacy panel of the member's page in a browser: a value uncovered once, a copy fetched, a member erased."""

from __future__ import annotations

import pytest
from console_world import PHONE, make_admins, make_busy
from factories import PASSWORD
from privacy_shop import publish

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.members.models import Member
from app.privacy import commands as privacy

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_panel(app, page, shot, run_work) -> None:  # type: ignore[no-untyped-def]
    busy = make_busy()
    world = busy.world
    publish(world.brand_id)
    with transaction():
        person = session.get_one(Member, (world.brand_id, busy.member)).person_id
        for channel, granted in (("any", True), ("sms", False)):
            privacy.record(
                brand_id=world.brand_id,
                person_id=person,
                purpose="marketing",
                channel=channel,
                granted=granted,
                source="miniapp",
            )
    brand, member = world.brand_id, busy.member
    login = make_admins(world)["hq"].login
    page.set_viewport_size({"width": 1440, "height": 900})
    address = f"/console/members/{ids.encode('mbr', member)}"
    page.goto(address)
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("#privacy .reveals")
    assert PHONE not in page.content() and "王小明" not in page.content()
    page.click("tr:has(#revealed-phone) button")
    page.wait_for_selector("#revealed-phone b")
    assert page.locator("#revealed-phone b").inner_text() == PHONE
    page.click("#privacy button:has-text('生成数据副本')")
    page.wait_for_selector("#privacy >> text=正在生成")
    page.locator("#privacy").scroll_into_view_if_needed()
    page.evaluate("document.querySelectorAll('#privacy details').forEach(one => one.open = true)")
    shot(page, "console-member-privacy")
    page.reload()
    page.wait_for_selector("#privacy .reveals")
    assert PHONE not in page.content(), "shown once"
    page.evaluate("document.querySelectorAll('#privacy details').forEach(one => one.open = true)")
    assert "查看了 手机号" in page.locator("#privacy").inner_text()
    page.fill("#privacy input[name=reason]", "会员来电要求")
    page.fill("#privacy input[name=sure]", "注错")
    page.click("#privacy button.red")
    page.wait_for_selector("#privacy >> text=请填写原因")
    page.evaluate("document.querySelectorAll('#privacy details').forEach(one => one.open = true)")
    page.fill("#privacy input[name=reason]", "会员来电要求")
    page.fill("#privacy input[name=sure]", "注销")
    page.click("#privacy button.red")
    page.wait_for_url("**/console/members")
    session.rollback()
    assert session.get_one(Member, (brand, member), populate_existing=True).status == "erased"
