"""Twins when members are merged, parted and forgotten; the API of headquarters; what settings are refused."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any

import pytest
from console_world import Pages, bearer, make_admins
from coupon_factories import campaign, terms
from invariants import broken
from merging import merge, split
from sqlalchemy import select
from twin_show import IMAGE, Show

from app import settings
from app.core import ids, outbox
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.twins.models import CouponTwin, TwinCode, TwinConflict
from app.flows import erase, export_person
from app.members import queries as members
from app.wechat.simulator.engine.pay import pem_pair


def test_a_twin_goes_with_its_coupon_and_comes_home(show: Show) -> None:
    winner, _ = show.person()
    loser, openid = show.person()
    mine = show.give(show.bound(), loser)
    show.settle()
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"), tell=False)
    show.redeem(mine, "TILL-1")
    show.settle()
    merge(show.world, winner, loser)
    twin = show.twin(mine)
    assert (twin.member_id, twin.openid) == (winner, openid)
    (conflict,) = show.conflicts()
    assert (conflict.kind, conflict.member_id) == ("used_twice", winner)
    with transaction():
        assert session.scalars(select(TwinCode.member_id)).one() == winner
    show.pay.give_back(show.theirs(mine), show.elsewhere())
    show.settle()
    assert broken() == []
    split(show.world, loser)
    assert (show.twin(mine).member_id, show.conflicts()[0].member_id) == (loser, loser)
    assert broken() == []


def test_news_of_a_member_who_was_merged_arrives(show: Show) -> None:
    winner, _ = show.person()
    loser, _ = show.person()
    mine = show.give(show.bound(), loser)
    show.settle()
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    merge(show.world, winner, loser)
    show.settle()
    assert show.ours(mine.coupon_id).status == "redeemed" and broken() == []


def test_who_is_forgotten_leaves_no_wallet_and_no_coupon_there(show: Show) -> None:
    member_id, openid = show.person()
    mine = show.give(show.bound(), member_id)
    show.settle()
    assert show.theirs(mine).state == "EFFECTIVE"
    with transaction():
        erase.erase(brand_id=show.brand_id, actor="adm_1", reason="本人要求", member_id=member_id)
    show.settle()
    assert show.theirs(mine).state == "DEACTIVATED"
    assert show.twin(mine).openid is None
    with transaction():
        left = session.scalars(select(outbox.Outbox).where(outbox.Outbox.name == "coupons.twin_left")).one()
        assert openid not in json.dumps(left.payload)
    assert broken() == []


def test_a_member_is_told_where_their_coupons_are_shown(show: Show) -> None:
    member_id, _ = show.person()
    mine = show.give(show.bound(), member_id)
    show.settle()
    with transaction():
        row = members.member(show.brand_id, member_id)
        assert row is not None
        told = export_person.gather(row)
    assert [(one["channel"], one["external_code"]) for one in told["coupon_twins"]] == [("wechat_product", mine.code)]
    with zipfile.ZipFile(io.BytesIO(export_person.zipped(told))) as archive:
        assert "coupon_twins.csv" in archive.namelist()


def test_headquarters_bind_look_and_settle(show: Show, client: Any) -> None:
    headers = {role: bearer(admin) for role, admin in make_admins(show.world).items()}
    hq = headers["hq"]
    channels = client.get("/api/admin/v1/coupon-channels", headers=hq).json["channels"]
    assert {one["name"]: (one["configured"], one["closed"]) for one in channels} == {
        "local": (True, False),
        "wechat_product": (True, False),
        "wechat_merchant": (False, True),
    }
    campaign_id = campaign(show.world)
    url = f"/api/admin/v1/campaigns/{ids.encode('cmp', campaign_id)}/channel"
    wish = {"channel": "wechat_product", "store": "S001", "image_url": IMAGE}

    def put(**change: Any) -> Any:
        return client.put(url, json=wish | change, headers=hq)

    assert put(channel="wechat_merchant").json["code"] == "channel_closed"
    assert put(store="S999").status_code == 404
    assert put(image_url="").status_code == 422
    assert put(stock_id="1").status_code == 422
    made = put()
    assert (made.status_code, made.json["state"], made.json["store"]) == (200, "creating", "S001")
    assert put().json["code"] == "binding_exists"
    show.settle()
    stock = show.stock(campaign_id)
    taken = {"product_id": stock.product_id, "stock_id": stock.stock_id}
    other = url.replace(ids.encode("cmp", campaign_id), ids.encode("cmp", campaign(show.world)))
    refused = client.put(other, json=wish | taken, headers=hq)
    assert (refused.status_code, refused.json["code"]) == (409, "stock_taken")
    mine = show.give(campaign_id, show.person()[0])
    show.settle()
    (twin,) = client.get("/api/admin/v1/coupon-twins?state=effective", headers=hq).json["items"]
    assert (twin["coupon"], twin["external_code"]) == (ids.encode("cpn", mine.coupon_id), mine.code)
    assert "openid" not in json.dumps(twin)
    shown = client.get("/api/admin/v1/coupon-channels", headers=hq).json["items"]
    assert shown[0]["twins"] == {"effective": 1}
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    show.redeem(mine, "TILL-1")
    show.settle()
    (found,) = client.get("/api/admin/v1/twin-conflicts", headers=hq).json["items"]
    close = f"/api/admin/v1/twin-conflicts/{found['id']}/close"
    assert client.post(close, json={"note": "x"}, headers=hq).status_code == 422
    done = client.post(close, json={"note": "门店承担"}, headers=hq)
    assert (done.status_code, done.json["note"], done.json["closed_by"][:4]) == (200, "门店承担", "adm_")
    assert client.post(close, json={"note": "再次"}, headers=hq).json["code"] == "twin_conflict_closed"
    assert client.get("/api/admin/v1/twin-conflicts", headers=hq).json["items"] == []
    assert len(client.get("/api/admin/v1/twin-conflicts?status=closed", headers=hq).json["items"]) == 1
    for role in ("region", "dealer", "store"):
        assert client.get("/api/admin/v1/twin-conflicts", headers=headers[role]).status_code == 403
    gone = client.delete(url, headers=hq)
    assert gone.json["state"] == "unbound" == client.delete(url, headers=hq).json["state"]
    assert client.put(other, json=wish | taken, headers=hq).json["code"] == "stock_taken"  # as long as it is there
    show.settle()
    assert client.put(other, json=wish | taken, headers=hq).json["stock_id"] == stock.stock_id
    assert session.query(TwinConflict).count() == 1 and session.query(CouponTwin).count() == 1


def test_headquarters_are_told_that_a_channel_shows_old_terms(show: Show, client: Any) -> None:
    """What its stock promises stays; coupons of the new terms are shown once the campaign is bound anew."""
    hq = make_admins(show.world)["hq"]
    pages, warning = Pages(client, hq), "新规则的券不会在此渠道展示"
    campaign_id = show.bound(amount_fen=500)

    def versions() -> tuple[int, int]:
        (line,) = client.get("/api/admin/v1/coupon-channels", headers=bearer(hq)).json["items"]
        return line["version"], line["campaign_version"]

    def page() -> str:
        return str(pages.get("coupon-channels").get_data(as_text=True))

    assert versions() == (1, 1) and warning not in page()
    with transaction():
        coupons.revise(brand_id=show.brand_id, campaign_id=campaign_id, terms=terms(amount_fen=2000))
    assert versions() == (1, 2)
    shown = page()
    assert warning in shown and "第 1 版" in shown and "第 2 版" in shown and "重新绑定" in shown
    url = f"/api/admin/v1/campaigns/{ids.encode('cmp', campaign_id)}/channel"
    gone = client.delete(url, headers=bearer(hq)).json
    assert (gone["version"], gone["campaign_version"]) == (1, 2)
    assert warning not in page()  # nothing at all is shown any more
    show.settle()
    wish = {"channel": "wechat_product", "store": "S001", "image_url": IMAGE}
    anew = client.put(url, json=wish, headers=bearer(hq)).json
    assert (anew["version"], anew["campaign_version"]) == (2, 2) and warning not in page()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(**change: str) -> settings.Settings:
        for name, value in change.items():
            monkeypatch.setenv(name, value)
        return settings.load()

    return load


def test_an_account_at_wechat_pay_is_whole_or_not_there(environment: Any) -> None:
    assert environment().pay.id == "120344"
    nothing = {name: "" for name in os.environ if name.startswith("WXPAY_") and name != "WXPAY_API_BASE"}
    with pytest.raises(settings.SettingsError) as error:
        environment(**nothing | {"WXPAY_BRAND_ID": "1"})
    assert str(error.value).count("needed where another WXPAY_ name is set") == 5
    assert environment(**nothing).pay is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WXPAY_BRAND_ID", "brand"),
        ("WXPAY_SERIAL_NO", "no serial"),
        ("WXPAY_API_V3_KEY", "short"),
        ("WXPAY_PUBLIC_KEY_ID", "key 1"),
        ("WXPAY_PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\nsecret-in-here\n-----END PRIVATE KEY-----"),
        ("WXPAY_PUBLIC_KEY", "nonsense"),
        ("WXPAY_MCHID", "x"),
    ],
)
def test_nonsense_is_named_and_never_quoted(environment: Any, name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError) as error:
        environment(**{name: value})
    assert name in str(error.value) and "secret-in-here" not in str(error.value)
    assert value not in str(error.value)


def test_our_own_key_is_not_taken_for_wechat_pays(environment: Any) -> None:
    private, public = pem_pair()
    with pytest.raises(settings.SettingsError, match="WXPAY_PUBLIC_KEY: WeChat Pay's key is wanted"):
        environment(WXPAY_PRIVATE_KEY=private, WXPAY_PUBLIC_KEY=public)


def test_production_speaks_to_wechat_pay_only(environment: Any) -> None:
    with pytest.raises(settings.SettingsError) as error:
        environment(SIYU_ENV="production", WXPAY_API_V3_KEY="a" * 32)
    assert "WXPAY_API_BASE: only Tencent's own server" in str(error.value)
    assert "WXPAY_API_V3_KEY: random characters" in str(error.value)
