"""Ways in, in a browser: the console's channel codes, and the official account's member centre."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import segno
from console_world import make_admins
from factories import AES_KEY, PASSWORD, World

from app.core.transaction import transaction
from app.org import commands as org

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OFFICIAL = "wxofficial01"


def _drawn(text: str) -> str:
    return str(segno.make(text).svg_inline(scale=4))


def test_codes_are_ordered_shown_with_their_picture_and_retired(
    world: World, tencent: Any, run_work: Any, page: Any, shot: Any
) -> None:
    picture = {
        "content_type": "image/svg+xml",
        "body": _drawn("code").replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'),
    }
    page.route("http://simulator.invalid/qr/**", lambda route: route.fulfill(**picture))
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/console/channel-codes")
    page.fill("input[name=login]", make_admins(world)["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/channel-codes**")
    page.fill("section input[name=name]", "国庆立牌")
    page.select_option("select[name=whom]", "each:store")
    page.click("button:has-text('生成')")
    page.wait_for_selector("text=已提交 2 个活码")
    assert page.locator("#list tbody tr").count() == 2 and page.locator("text=生成中").count() >= 2
    run_work()
    tencent.add("anna", state=next(iter(tencent.engine.world.ways)).state)
    tencent.deliver()
    run_work()
    page.goto("/console/channel-codes")
    drawn = "picture => picture.decode().then(() => picture.naturalWidth > 0)"
    assert [picture.evaluate(drawn) for picture in page.locator("#list img").all()] == [True, True]
    assert "1" in page.locator("#list tbody tr td.num").all_inner_texts()
    shot(page, "console-channel-codes")
    page.locator("button:has-text('停用')").first.click()
    page.wait_for_selector("#list >> text=已停用")
    page.select_option("form.filter select[name=status]", "retired")
    page.click("button:has-text('筛选')")
    page.wait_for_url(re.compile("status=retired"))
    assert page.locator("#list tbody tr").count() == 1


def test_the_member_centre_of_the_official_account(
    world: World, tencent: Any, page: Any, address: str, shot: Any
) -> None:
    with transaction():
        org.set_account(
            brand_id=world.brand_id,
            kind="official",
            namespace=OFFICIAL,
            open_platform="open1",
            secret="official-secret",
            callback_token="push-token",
            callback_aes_key=AES_KEY,
        )
    tencent.engine.directory.put_mini({"appid": OFFICIAL, "secret": "official-secret", "kind": "official"})
    anna = tencent.customer("anna", phone="13712345678")
    tencent.engine.world.set_value(f"follower|{OFFICIAL}|{anna.openids[OFFICIAL]}", 1_700_000_000)

    def wechat(route: Any) -> None:
        """Our page sends the browser to WeChat, which sends it back at once."""
        away = route.fetch(max_redirects=0)
        asked = parse_qs(urlsplit(away.headers["location"]).query)
        query = urlencode({"code": tencent.engine.codes.web(anna, OFFICIAL), "state": asked["state"][0]})
        back = f"{address}{urlsplit(asked['redirect_uri'][0]).path}?{query}"
        route.fulfill(status=302, headers={"Location": back, "Set-Cookie": away.headers["set-cookie"]})

    page.route("**/official/start**", wechat)
    page.set_viewport_size({"width": 390, "height": 760})
    page.goto("/api/miniapp/v1/official/start")
    page.wait_for_selector("text=还差一步")
    assert page.url == f"{address}/api/miniapp/v1/official/start?appid={OFFICIAL}"  # no code in the address
    assert "eyJ" not in page.content()  # nor a token in the page
    shot(page, "official-stranger")

    login = {"appid": tencent.appid, "code": tencent.login_code("anna")}
    token = tencent.client.post("/api/miniapp/v1/login", json=login).json["token"]
    headers = {"Authorization": f"Bearer {token}"}
    bound = tencent.client.post("/api/miniapp/v1/phone", json={"code": tencent.phone_code("anna")}, headers=headers)
    page.reload()  # begins anew, silently
    page.wait_for_selector("#wallet:not([hidden])")
    assert bound.json["number"] in page.inner_text("#number") and "137****5678" in page.inner_text("#number")
    assert page.inner_text("#points") == "0"
    shot(page, "official-member")
