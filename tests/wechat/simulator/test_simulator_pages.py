from __future__ import annotations

import time

import pytest

from app.wechat.simulator import scenarios
from app.wechat.simulator.server import create_app
from tests.wechat.simulator.cast import Tencent


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "周六开业"),
        ("/client/miniprogram?customer=c1", "会员中心"),
        ("/client/wecom?staff=GuideA", "聊天侧边栏"),
        ("/client/wecom?staff=nobody", "没有这位成员"),
        ("/_control/", "/_control/contacts"),
        ("/jssdk/ww.js", "getCurExternalContact"),
        ("/avatar/c1.svg", "<svg"),
        ("/qr.svg?text=SY-1234", "<svg"),
    ],
)
def test_pages_open(tencent: Tencent, path: str, text: str) -> None:
    answer = tencent.client.get(path)
    assert answer.status_code == 200 and text in answer.get_data(as_text=True)


def test_the_wecom_client_remembers_whose_it_is(tencent: Tencent) -> None:
    answer = tencent.client.get("/client/wecom?staff=guide-b")
    assert "simulator_staff=guide-b" in answer.headers["Set-Cookie"]
    tencent.control("pages", sidebar_url="http://brand.test/sidebar/?x=1")
    assert "http://brand.test/sidebar/?x=1" in tencent.client.get("/client/wecom?staff=GuideA").get_data(as_text=True)


def test_names_are_text_wherever_they_appear(tencent: Tencent) -> None:
    tencent.control("customers", id="evil", name="<b>")
    assert "<b>" not in tencent.client.get("/avatar/evil.svg").get_data(as_text=True)


def test_a_contact_way_has_a_picture_and_a_scan_page(tencent: Tencent) -> None:
    made = tencent.contact("add_contact_way", type=1, scene=2, user=["GuideA"], state="SH-1")
    path = made["qr_code"].removeprefix("http://sim.test")
    assert tencent.client.get(path).get_data().startswith(b"\x89PNG")
    page = tencent.client.get(f"/scan/{made['config_id']}").get_data(as_text=True)
    assert "王芳" in page and "SH-1" in page
    assert tencent.client.get("/scan/nothing").status_code == tencent.client.get("/qr/nothing.png").status_code == 404


def test_the_proxy_reaches_the_product_and_nothing_else(tencent: Tencent) -> None:
    assert tencent.client.get("/client/api/api/miniapp/v1/me").status_code == 404  # no product configured
    app = create_app(tencent.engine, tencent.sender, product_url="http://127.0.0.1:9")
    with app.test_client() as client:
        assert client.get("/client/api/admin/secret").status_code == 404
        assert client.get("/client/api/api/miniapp/v1/me").get_json()["code"] == "product_unreachable"


def test_a_launch_plays_scans_at_its_rate(tencent: Tencent) -> None:
    tencent.contact("add_contact_way", type=1, scene=2, user=["GuideA"], state="SH-1")
    options = {"scans_per_hour": 36_000, "seconds": 0.6, "unfollow": 1.0, "speed": 10_000}
    launch = scenarios.start(tencent.engine, "", options)
    deadline = time.monotonic() + 20
    while launch.running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not launch.running and launch.describe()["steps"]["扫码"] == 6
    changes = [fields["ChangeType"] for _, fields in tencent.events]
    assert changes.count("add_external_contact") == 6 and "del_follow_user" in changes
    assert {f["State"] for _, f in tencent.events if f["ChangeType"] == "add_external_contact"} == {"SH-1"}


def test_a_launch_is_started_once_and_stopped(tencent: Tencent) -> None:
    assert tencent.client.get("/_control/scenario").get_json()["running"] is False
    tencent.control("scenario", 422, name="no such")
    tencent.control("scenario", 422, scans_per_hour=0)
    assert tencent.control("scenario", name="saturday", scans_per_hour=3600)["running"] is True
    tencent.control("scenario", 409, name="saturday")
    assert tencent.client.delete("/_control/scenario").get_json()["running"] is False
