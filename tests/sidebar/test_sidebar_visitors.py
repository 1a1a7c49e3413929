"""Whom WeCom may send to the sidebar's door beside our own guides (WeCom docs, path/91023, 98177)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from factories import make_world

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.org.models import Guide


def back(counter, code: str, state: str | None = None):
    state = counter.enter()[0] if state is None else state
    return counter.client.get("/sidebar/callback", query_string={"code": code, "state": state})


def outside(counter) -> None:
    """Only the second guide is in the app's visible range."""
    next(iter(counter.tencent.engine.world.apps)).visible = ["guide2"]


def refused(counter, answer, status: int, code: str) -> None:
    text = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (status, "text/html") and "打不开页面" in text and code in text
    assert counter.client.get("/api/sidebar/v1/me").status_code == 401
    assert "siyu_sidebar=" not in str(answer.headers.getlist("Set-Cookie"))


def test_a_customer_is_no_staff_whether_or_not_somebody_follows_them(counter) -> None:
    tencent = counter.tencent
    tencent.customer("stranger")
    tencent.add("friend")
    for name in ("stranger", "friend"):
        code = tencent.engine.codes.issue("oauth", tencent.corp_id, name, customer=True)
        refused(counter, back(counter, code), 403, "not_staff")


def test_a_guide_outside_the_apps_range_is_named_by_wecom_and_judged_by_us(counter) -> None:
    """WeCom tells the userid of anybody in the corp: our own list of guides is what lets in."""
    outside(counter)
    assert back(counter, counter.code("guide1")).status_code == 302
    assert counter.get("me").get_json()["name"] == "导购1"


@pytest.mark.parametrize("who", ["boss", "GUIDE1", "guide1 ", "guide-of-another-brand"])
def test_staff_who_are_no_guides_of_ours_stay_out(counter, who: str) -> None:
    outside(counter)
    if who == "guide-of-another-brand":
        other, corp_id = make_world(), counter.tencent.corp_id
        with transaction():
            session.add(
                Guide(brand_id=other.brand_id, store_id=other.store.id, corp_id=corp_id, userid=who, name="别家")
            )
    state, _ = counter.enter(corp_id=counter.tencent.corp_id)
    refused(counter, back(counter, counter.code(who), state), 403, "no_guide")


def test_a_code_works_once_and_five_minutes(counter) -> None:
    state, _ = counter.enter()
    code = counter.code("guide1")
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        late, _ = counter.enter()
        refused(counter, back(counter, code, late), 401, "login_code")
    fresh = counter.code("guide1")
    assert back(counter, fresh).status_code == 302
    counter.client.delete_cookie("siyu_sidebar")
    refused(counter, back(counter, fresh), 401, "login_code")
    assert state


def test_a_used_up_state_opens_nothing_a_second_time(counter) -> None:
    state, _ = counter.enter()
    assert back(counter, counter.code("guide1"), state).status_code == 302
    counter.client.delete_cookie("siyu_sidebar")
    refused(counter, back(counter, counter.code("guide2"), state), 403, "entry_expired")


def test_two_browsers_do_not_open_each_others_door(counter, app) -> None:
    """A state stolen from one browser is worth nothing in another: the cookie is missing there."""
    state, _ = counter.enter()
    thief = app.test_client()
    answer = thief.get("/sidebar/callback", query_string={"code": counter.code("guide1"), "state": state})
    assert answer.status_code == 403


def test_a_code_of_another_corp_is_unknown_here(counter) -> None:
    code = counter.tencent.engine.codes.issue("oauth", "wwother", "guide1", scope="snsapi_base")
    refused(counter, back(counter, code), 401, "login_code_invalid")


def test_wecoms_silence_and_missing_trust_are_said_to_be_passing(counter, redis) -> None:
    faults = counter.tencent.engine.faults
    for fault in ({"http_status": 502}, {"errcode": 60020}, {"errcode": 50001}, {"errcode": 45009}, {"drop": True}):
        faults.inject({"api": "auth/getuserinfo", "count": 9} | fault)
        answer = back(counter, counter.code("guide1"))
        assert answer.status_code == 503 and "暂时没有响应" in answer.get_data(as_text=True), fault
        faults.remove(None)
        redis.flushdb()  # as when a pause after a quota is over
    assert back(counter, counter.code("guide1")).status_code == 302


def test_the_state_is_short_enough_for_wechat(counter) -> None:
    _, where = counter.enter()
    (state,) = parse_qs(urlsplit(where).query)["state"]
    assert len(state.encode()) <= 128 and urlsplit(where).fragment == "wechat_redirect"
