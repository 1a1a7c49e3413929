"""Who is whom, in a browser: the queue, both sides of a case, merging with a reason, taking it back, blocked values."""

from __future__ import annotations

import pytest
from console_world import make_admins
from contradictions import contradiction
from factories import PASSWORD, make_world

from app.core import ids
from app.members import queries as members

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_case_is_decided_and_taken_back(app, page, shot) -> None:  # type: ignore[no-untyped-def]
    world = make_world()
    admins = make_admins(world)
    _, old, young = contradiction(world)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/console/")
    page.fill("input[name=login]", admins["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.click("nav >> text=身份审核")
    page.wait_for_selector("text=同一手机号对应两个会员")
    shot(page, "console-reviews")
    page.click("main >> text=查看")
    assert page.locator(".sides article").count() == 2
    shot(page, "console-review")
    page.fill("input[name=reason]", "电话核实为同一人")
    page.click("button:has-text('合并为同一人')")
    page.wait_for_selector("text=电话核实为同一人")
    assert members.living(world.brand_id, young).member_id == old

    page.goto(f"/console/members/{ids.encode('mbr', young)}")  # the merged one's page is the winner's
    page.wait_for_selector("#merges >> text=人工审核")
    shot(page, "console-merges")
    page.on("dialog", lambda dialog: dialog.accept())
    page.fill("#merges input[name=reason]", "其实是两位顾客")
    page.click("#merges button:has-text('拆分')")
    page.wait_for_selector("#merges >> text=已拆分")
    assert members.living(world.brand_id, young).member_id == young

    page.goto("/console/blocked")
    page.fill("input[name=value]", "13700001234")
    page.fill("input[name=reason]", "门店公用手机")
    page.click("button.primary")
    page.wait_for_selector("text=137****1234")
    shot(page, "console-blocked")
