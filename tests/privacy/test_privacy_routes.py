"""Privacy over HTTP: the shopper's word, the paper at the till, the console's panel, copies and erasure."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from console_world import bearer, make_admins
from coupon_factories import post
from invariants import broken
from people import make_follow
from privacy_shop import Shop, shopper_headers
from sqlalchemy import func, select, update

from app.channels import commands as channels
from app.core import clock, crypto, ids, sheets, tokens
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.members.models import Member
from app.privacy import commands as privacy
from app.privacy import queries
from app.privacy.models import Consent, DataExport, Erasure

MINI = "/api/miniapp/v1/privacy"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("privacy.", "identity.", "members.", "points.", "coupons.") == []


@pytest.fixture
def mini(client, shop: Shop):  # type: ignore[no-untyped-def]
    headers = shopper_headers(shop)

    def call(method: str, path: str, body: Any = None) -> Any:
        return getattr(client, method)(f"{MINI}/{path}", json=body, headers=headers)

    return call


@pytest.fixture
def console(client, shop: Shop):  # type: ignore[no-untyped-def]
    url = f"/api/admin/v1/members/{ids.encode('mbr', shop.member)}"

    def call(method: str, path: str, body: Any = None, admin: Any = None) -> Any:
        return getattr(client, method)(f"{url}/{path}", json=body, headers=bearer(admin or shop.world.admin))

    return call


def _channels(answer: Any, purpose: str) -> dict[str, bool]:
    return next(one["channels"] for one in answer.json["purposes"] if one["purpose"] == purpose)


def test_a_shopper_says_what_they_allow(mini, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    shown = mini("get", "consents")
    assert shown.json["policy"]["version"] == "2026-01" and _channels(shown, "marketing")["sms"]
    body = {
        "version": "2026-01",
        "statements": [
            {"purpose": "marketing", "channel": "sms", "granted": False},
            {"purpose": "group_sharing", "granted": True},
        ],
    }
    said = mini("put", "consents", body)
    assert said.status_code == 200
    assert not _channels(said, "marketing")["sms"] and _channels(said, "marketing")["wecom"]
    assert _channels(said, "group_sharing")["any"]
    assert session.scalars(select(Consent.evidence)).first() == {"appid": shop.world.miniprogram.namespace}
    withdrawn = mini("post", "withdrawal")
    assert not any(_channels(withdrawn, "marketing").values())
    assert all(_channels(withdrawn, "service").values())


def test_nothing_is_granted_under_an_old_policy(mini, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    grant = {"statements": [{"purpose": "third_party", "granted": True}]}
    for version in (None, "2025-01"):
        answer = mini("put", "consents", {**grant, "version": version})
        assert (answer.status_code, answer.json["code"], answer.json["data"]) == (
            409, "policy_outdated", {"version": "2026-01"},
        )  # fmt: skip
    refusal = {"statements": [{"purpose": "marketing", "granted": False}]}
    assert mini("put", "consents", refusal).status_code == 200, "to refuse, nothing has to be read"
    assert mini("put", "consents", {"statements": [{"purpose": "spying", "granted": True}]}).status_code == 422


def test_a_till_reports_a_paper_once(client, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    body = {
        "phone": "13712340001", "store": "S001", "purpose": "marketing", "channel": "sms", "granted": False,
        "paper_no": "A-17",
    }  # fmt: skip
    first = post(client, shop.world, "consents", body, idempotency_key="paper-17-a")
    assert first.status_code == 200, first.json
    assert first.json["new"] and not first.json["channels"]["sms"]
    again = post(client, shop.world, "consents", body, idempotency_key="paper-17-b")
    assert not again.json["new"]
    row = session.scalars(select(Consent)).one()
    assert row.evidence == {"paper_no": "A-17", "store": ids.encode("sto", shop.world.store.id)}
    unknown = post(client, shop.world, "consents", body | {"phone": "13700009999"}, idempotency_key="paper-17-c")
    assert unknown.status_code == 404


def test_the_console_notes_papers_and_shows_everything(console, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    noted = console("post", "consents", {"purpose": "marketing", "granted": False, "paper_no": "HQ-1"})
    assert noted.status_code == 201 and not noted.json["state"]["marketing"]["any"]
    console("post", "reveals", {"field": "phone", "reason": "处理客诉"})
    shown = console("get", "privacy").json
    assert [one["paper_no"] for one in (said["evidence"] for said in shown["consents"])] == ["HQ-1"]
    assert [look["reason"] for look in shown["reveals"]] == ["处理客诉"]
    admins = make_admins(shop.world)
    for role in ("region", "dealer", "store"):
        refused = console("post", "erasure", {"reason": "越权尝试"}, admin=admins[role])
        assert refused.status_code == 403, role


def test_policies_are_published_and_never_rewritten(client, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    url, headers = "/api/admin/v1/privacy/policies", bearer(shop.world.admin)
    body = {"version": "2026-11", "text": "我们如何处理您的个人信息……"}
    first = client.post(url, json=body, headers=headers)
    assert first.status_code == 201 and len(first.json["digest"]) == 64
    assert client.post(url, json=body | {"text": "改过的"}, headers=headers).status_code == 409
    assert [one["version"] for one in client.get(url, headers=headers).json["items"]] == ["2026-11", "2026-01"]
    (noted,) = session.scalars(select(AuditLog))
    assert (noted.action, noted.data["version"], noted.data["digest"]) == (
        "privacy.policy_published", "2026-11", first.json["digest"],
    )  # fmt: skip


def _copy(answer: Any) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_shopper_takes_a_copy_of_everything_along(mini, client, shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    world, url, headers = shop.world, MINI, shopper_headers(shop)
    with transaction():
        make_follow(world, world.guide, external_userid="wm_mine", person_id=shop.person)
        channels.describe_follow(
            corp_id=world.guide.corp_id, userid=world.guide.userid, external_userid="wm_mine", remark="=1+1小美"
        )
    shop.say(False, channel="sms")
    asked = mini("post", "exports")
    assert (asked.status_code, asked.json["status"]) == (202, "asked")
    assert mini("post", "exports").json["id"] == asked.json["id"], "one at a time"
    path = f"exports/{asked.json['id']}"
    pending = mini("get", f"{path}/file")
    assert (pending.status_code, pending.json["code"]) == (409, "export_pending")
    run_work()
    ready = mini("get", path).json
    assert ready["status"] == "ready" and ready["size"] > 500
    fetched = mini("get", f"{path}/file")
    assert fetched.status_code == 200 and fetched.headers["Cache-Control"] == "private, no-store"
    files = _copy(fetched)
    data = json.loads(files["data.json"])
    assert (data["profile"]["name"], data["profile"]["phone"]) == ("王小美", "13712340001")
    assert {one["kind"] for one in data["identities"]} == {"openid", "mobile"}
    assert [one["channel"] for one in data["consents"]] == ["sms"]
    assert data["relations"][0]["remark"] == "=1+1小美"
    table = list(csv.reader(io.StringIO(files["relations.csv"].decode().removeprefix(sheets.BOM))))
    assert table[1][table[0].index("remark")] == "'=1+1小美", "a cell that Excel would run"
    stored = session.scalars(select(DataExport.content)).one()
    assert "13712340001" not in str(stored) and crypto.decrypt(str(stored), context="privacy.export")
    actions = set(session.scalars(select(AuditLog.action)))
    assert {"privacy.export_asked", "privacy.export_fetched"} <= actions
    claims = tokens.read("miniapp", headers["Authorization"].removeprefix("Bearer "))
    with time_machine.travel(clock.now() + timedelta(days=8)):
        token, _ = tokens.issue("miniapp", {name: claims[name] for name in ("sub", "brd", "oid")})
        late = client.get(f"{url}/{path}/file", headers={"Authorization": f"Bearer {token}"})
    assert (late.status_code, late.json["code"]) == (404, "export_unknown")


def test_a_copy_is_for_whoever_asked_for_it(console, mini, shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    asked = console("post", "exports").json["id"]
    run_work()
    assert console("get", f"exports/{asked}/file").status_code == 200
    assert mini("get", f"exports/{asked}/file").status_code == 404


def test_a_shopper_is_forgotten_when_the_days_of_grace_are_over(mini, client, shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    brand = shop.brand
    assert mini("get", "erasure").status_code == 404
    asked = mini("post", "erasure", {"reason": "不再使用"})
    assert (asked.status_code, asked.json["status"]) == (201, "asked")
    assert mini("post", "erasure/confirm").json["status"] == "confirmed"
    assert not queries.allowed(shop.brand, shop.member, "marketing")
    assert mini("delete", "erasure").json["status"] == "cancelled"
    mini("post", "erasure", {})
    mini("post", "erasure/confirm")
    with transaction():
        session.execute(update(Erasure).where(Erasure.status == "confirmed").values(due_at=clock.now()))
    late = mini("delete", "erasure")
    assert (late.status_code, late.json["code"]) == (409, "erasure_underway")
    with transaction():
        privacy.announce_due(limit=10)
    run_work()
    member = session.get_one(Member, (brand, shop.member), populate_existing=True)
    assert (member.status, member.name) == ("erased", None)
    assert mini("get", "consents").status_code == 401, "the token names nobody any more"


def test_headquarters_erase_at_once_and_the_group_everywhere(console, client, shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    assert console("post", "erasure", {"reason": "x"}).status_code == 422
    assert console("post", "erasure", {"reason": "会员来电", "whole": True}).status_code == 403, "one brand's own user"
    done = console("post", "erasure", {"reason": "会员来电"})
    assert done.status_code == 200 and done.json["whole"]
    assert console("post", "erasure", {"reason": "会员来电"}).status_code in (404, 409)
    assert session.scalar(select(func.count()).where(AuditLog.action == "privacy.erased")) == 1
    shown = console("get", "privacy").json
    assert [one["status"] for one in shown["erasures"]] == ["done"]


def test_cells_that_would_run_are_disarmed() -> None:
    rows = [{"a": "=SUM(1)", "b": "  @x", "c": "＝1", "d": -5, "e": None, "f": "普通", "g": ["-1", "b"]}]
    text = sheets.csv_of(list("abcdefg"), rows)
    assert text.startswith(sheets.BOM)
    assert text.splitlines()[1] == "'=SUM(1),'  @x,'＝1,-5,,普通,'-1、b"
