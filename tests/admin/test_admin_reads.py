"""What the admin API answers: figures beside yesterday, members from all sides, pages, ETags, few statements."""

from __future__ import annotations

from datetime import timedelta

import pytest
from console_world import PHONE, bearer, make_busy
from sqlalchemy import select
from statements import statements

from app.core import clock, ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members

API = "/api/admin/v1"


@pytest.fixture
def busy(app):
    return make_busy()


@pytest.fixture
def ask(client, busy):
    headers = bearer(busy.world.admin)
    return lambda path, **query: client.get(f"{API}{path}", query_string=query, headers=headers)


def _member(busy, number: int, joined_at) -> int:
    person = identity.link(ids=[Identity("mobile", "", f"1375{number:07}")], source="till", evidence={}).person_id
    return members.join(
        brand_id=busy.world.brand_id,
        person_id=person,
        source="import",
        store_id=busy.world.store.id,
        joined_at=joined_at,
    )


def test_today_is_compared_with_yesterday_up_to_now(ask, busy) -> None:
    now = clock.now()
    with transaction():
        _member(busy, 1, now - timedelta(days=1, minutes=5))
        _member(busy, 2, now - timedelta(days=3))
    today = ask("/today").json
    assert today["new_members"]["today"] == 2
    assert today["new_members"]["yesterday"] in (0, 1)  # 0 when the day is younger than five minutes
    assert today["task_bp"]["today"] == 10_000
    assert today["discount_fen"]["today"] == 2000 and today["coupons_issued"]["today"] == 1
    assert today["funnel"] == {"added": 1, "bound": 1, "tasked": 1, "redeemed": 1}
    assert len(today["sales_by_hour"]) == 24 and today["currency"] == "CNY"


def test_an_unchanged_answer_is_304(client, ask, busy) -> None:
    first = ask("/today")
    token = {"If-None-Match": first.headers["ETag"]}
    again = client.get(f"{API}/today", headers={**token, **bearer(busy.world.admin)})
    assert again.status_code == 304 and again.data == b""


def test_a_member_from_all_sides(ask, busy) -> None:
    one = ask(f"/members/{ids.encode('mbr', busy.member)}").json
    assert one["name"] == "王**" and one["phone"] == "139****4321"
    assert one["tier"]["name"] == "银卡" and one["points"] == 280 and one["growth"] == 280
    assert one["coupons"] == {"usable": 0, "redeemed": 1, "expired": 0}
    assert one["orders"] == 1 and one["paid_fen"] == 28000
    assert one["ids"] == ["external_userid", "mobile"]
    kinds = [moment["kind"] for moment in one["timeline"]]
    assert set(kinds) == {
        "joined", "bound", "followed", "guide_assigned", "order", "coupon_issued", "coupon_redeemed", "points", "tier",
        "task_created", "task_done",
    }  # fmt: skip
    times = [moment["at"] for moment in one["timeline"]]
    assert times == sorted(times, reverse=True)


def test_lists_mask_names_and_phones(ask, busy) -> None:
    answer = ask("/members")
    assert {one["name"] for one in answer.json["items"]} == {"王**", "李*"}
    for path in ("/members", "/tasks", "/feed", f"/trace/{busy.correlation}"):
        text = ask(path).text
        assert "王小明" not in text and PHONE not in text


def test_pages_follow_each_other_without_gap_or_repeat(ask, busy) -> None:
    moment = clock.now() - timedelta(days=10)
    with transaction():
        for number in range(7):
            _member(busy, number, moment)  # all of one instant: the id decides
    found, cursor = [], ""
    while cursor is not None:
        page = ask("/members", limit=4, cursor=cursor).json
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found)) == 9


@pytest.mark.parametrize("cursor", ["x", "WzFd", "W10=", "bnVsbA==", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwxXQ==", "é"])
def test_a_made_up_cursor_is_refused(ask, cursor) -> None:
    for path in ("/members", "/tasks"):
        answer = ask(path, cursor=cursor)
        assert answer.status_code == 422 and answer.json["code"] == "cursor_invalid"


def test_sensitive_reads_are_audited(ask, busy) -> None:
    ask("/members", q=PHONE)
    ask(f"/members/{ids.encode('mbr', busy.member)}")
    ask(f"/trace/{busy.correlation}")
    rows = session.execute(select(AuditLog.action, AuditLog.subject, AuditLog.actor).order_by(AuditLog.id)).all()
    actor = ids.encode("adm", busy.world.admin.id)
    assert rows[-3:] == [
        ("members.phone_search", "member", actor),
        ("members.viewed", ids.encode("mbr", busy.member), actor),
        ("trace.viewed", ids.encode("prs", busy.person), actor),
    ]


def test_the_number_of_statements_does_not_grow_with_the_data(ask, busy) -> None:
    ask("/members")
    counts = {}
    for path in (
        "/today",
        "/feed",
        "/members",
        "/tasks",
        "/campaigns",
        "/sops",
        f"/members/{ids.encode('mbr', busy.member)}",
    ):
        with statements() as few:
            ask(path)
        counts[path] = len(few)
    with transaction():
        for number in range(20):
            _member(busy, number, clock.now())
    for path, before in counts.items():
        with statements() as many:
            ask(path)
        assert len(many) <= before, path
    assert counts["/today"] <= 22 and max(count for path, count in counts.items() if path != "/today") <= 26, counts
