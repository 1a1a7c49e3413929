"""The wire: errcode first, repetition only where harmless, pauses, and no secret in sight."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
import time_machine
from structlog.testing import capture_logs

from app.core.errors import ProgrammingError
from app.core.transaction import transaction
from app.wechat.errcodes import classify
from app.wechat.errors import Misconfigured, Rejected, Throttled, Unavailable, UnknownOutcome
from app.wechat.transport import CALLS, Call, scrub
from app.wechat.wecom import Message

LIST = "/cgi-bin/externalcontact/list"
MASS = "/cgi-bin/externalcontact/add_msg_template"
WELCOME = "/cgi-bin/externalcontact/send_welcome_msg"
BUSY = {"errcode": -1, "errmsg": "system busy"}
HELLO = Message("hello")


def test_an_error_with_an_empty_list_is_an_error_and_not_an_empty_list(wecom, tencent):
    tencent.token("t1", "t2")
    tencent.answers(LIST, {"errcode": 60111, "errmsg": "no such user", "external_userid": []})
    with pytest.raises(Rejected) as caught:
        wecom.contacts_of("zhangsan")
    assert (caught.value.errcode, caught.value.reason, caught.value.final) == (60111, "user_unknown", True)


def test_nothing_is_sent_inside_a_transaction(wecom, tencent):
    with transaction(), pytest.raises(ProgrammingError):
        wecom.contacts_of("zhangsan")
    assert not tencent.mock.calls


def test_a_read_is_tried_three_times_with_growing_pauses(wecom, tencent, naps):
    tencent.token("t1")
    tencent.answers(LIST, BUSY, requests.ReadTimeout("x"), {"errcode": 0, "external_userid": ["wm1"]})
    assert wecom.contacts_of("zhangsan") == ("wm1",)
    assert len(naps) == 2 and 0.2 <= naps[0] <= 0.3 and 0.6 <= naps[1] <= 0.9


def test_a_read_gives_up_after_three_tries(wecom, tencent):
    tencent.token("t1")
    tencent.answers(LIST, BUSY)
    with pytest.raises(Unavailable) as caught:
        wecom.contacts_of("zhangsan")
    assert len(tencent.calls(LIST)) == 3 and caught.value.status == 503


@pytest.mark.parametrize(
    "answer",
    [requests.ReadTimeout("x"), requests.ConnectionError("connection reset"), b"<html>bad gateway</html>", b"", b"[1]"],
    ids=["timeout", "reset", "html", "empty", "list"],
)
def test_a_lost_answer_to_a_mass_send_is_unknown_and_not_sent_again(wecom, tencent, answer):
    tencent.token("t1")
    tencent.answers(MASS, answer)
    with pytest.raises(UnknownOutcome):
        wecom.create_mass_send(HELLO, sender="zhangsan", external_userids=["wm1"])
    assert len(tencent.calls(MASS)) == 1


def test_a_server_error_to_a_mass_send_is_unknown(wecom, tencent):
    tencent.token("t1")
    tencent.answers(MASS, b"oops", status=502)
    with pytest.raises(UnknownOutcome):
        wecom.create_mass_send(HELLO, sender="zhangsan", external_userids=["wm1"])


@pytest.mark.parametrize("answer", [BUSY, requests.ConnectTimeout("x")], ids=["busy", "no connection"])
def test_a_mass_send_that_certainly_did_not_happen_may_be_retried_by_the_caller(wecom, tencent, answer):
    tencent.token("t1")
    tencent.answers(MASS, answer)
    with pytest.raises(Unavailable):
        wecom.create_mass_send(HELLO, sender="zhangsan", external_userids=["wm1"])
    assert len(tencent.calls(MASS)) == 1


def test_a_refused_port_is_known_not_to_have_been_reached(wire):
    call = Call("wecom", "account", "http://127.0.0.1:9", "/cgi-bin/nowhere", body={})
    with pytest.raises(Unavailable):
        wire.transport.send(call)


def test_a_redirect_or_a_missing_page_means_a_wrong_base_url(wecom, tencent):
    tencent.token("t1")
    tencent.answers(LIST, b"moved", status=301)
    with pytest.raises(Misconfigured):
        wecom.contacts_of("zhangsan")


def test_a_welcome_whose_answer_was_lost_is_repeated_because_its_code_works_once(wecom, tencent):
    tencent.token("t1")
    tencent.answers(
        WELCOME, requests.ReadTimeout("x"), {"errcode": 41051, "errmsg": "externaluser has started chatting"}
    )
    with pytest.raises(Rejected) as caught:
        wecom.send_welcome("CODE", HELLO)
    assert caught.value.reason == "welcome_already_handled"


def test_a_welcome_stops_repeating_while_its_code_may_still_live(wecom, tencent, monkeypatch):
    tencent.token("t1")
    wecom.client.wire.tokens.get(wecom.app.credential, wecom.client.fetch_token)
    tencent.answers(WELCOME, BUSY)
    moments = iter(range(0, 1000, 7))  # every look at the clock is seven seconds later
    monkeypatch.setattr("app.wechat.transport.time.monotonic", lambda: next(moments))
    with pytest.raises(Unavailable):
        wecom.send_welcome("CODE", HELLO)
    assert len(tencent.calls(WELCOME)) == 1


class TestQuota:
    LIMIT = {"errcode": 45009, "errmsg": "api freq out of limit"}

    def test_a_used_up_quota_rests_that_api_only_until_its_window_ends(self, wecom, tencent):
        tencent.token("t1")
        tencent.answers(LIST, self.LIMIT, {"errcode": 0, "external_userid": []})
        tencent.answers("/cgi-bin/externalcontact/get_follow_user_list", {"errcode": 0, "follow_user": ["a"]})
        with pytest.raises(Throttled) as caught:
            wecom.contacts_of("zhangsan")
        assert 58 < (caught.value.until - datetime.now(UTC)).total_seconds() <= 60
        with pytest.raises(Throttled):
            wecom.contacts_of("zhangsan")
        assert len(tencent.calls(LIST)) == 1
        assert wecom.follow_users() == ("a",)
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
            assert wecom.contacts_of("zhangsan") == ()

    def test_a_quota_hit_again_after_the_pause_climbs_to_the_hour_and_the_day(self, wecom, tencent):
        tencent.token("t1")
        tencent.answers(LIST, self.LIMIT)
        start = datetime(2026, 1, 1, 4, tzinfo=UTC)  # noon in China
        with time_machine.travel(start, tick=False):
            with pytest.raises(Throttled):
                wecom.contacts_of("zhangsan")
        with time_machine.travel(start + timedelta(seconds=61), tick=False):
            with pytest.raises(Throttled) as hour:
                wecom.contacts_of("zhangsan")
        assert hour.value.retry_after == 3600
        with time_machine.travel(start + timedelta(seconds=3700), tick=False):
            with pytest.raises(Throttled) as day:
                wecom.contacts_of("zhangsan")
        assert day.value.until == datetime(2026, 1, 1, 16, tzinfo=UTC)


class TestSecrets:
    def test_errors_and_logs_carry_no_token_secret_or_code(self, wecom, mini, tencent):
        tencent.token("TOKEN-VALUE")
        url = "https://wecom.test/x?access_token=TOKEN-VALUE&corpsecret=corp-secret-value"
        tencent.answers(LIST, requests.ConnectionError(f"Max retries exceeded with url: {url}"))
        tencent.answers("mp:/sns/jscode2session", requests.ReadTimeout("secret=mini-secret-value&js_code=CODE-VALUE"))
        with capture_logs() as logs:
            for action in (lambda: wecom.contacts_of("u"), lambda: mini.code_to_session("CODE-VALUE")):
                with pytest.raises(Unavailable) as caught:
                    action()
                error: BaseException | None = caught.value
                while error is not None:
                    for secret in ("TOKEN-VALUE", "corp-secret-value", "mini-secret-value", "CODE-VALUE"):
                        assert secret not in str(error)
                    error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        written = json.dumps(logs, default=str)
        for secret in ("TOKEN-VALUE", "corp-secret-value", "mini-secret-value", "CODE-VALUE"):
            assert secret not in written

    def test_what_tencent_echoes_is_scrubbed(self):
        text = 'bad {"access_token": "abc", "errcode": 40029} url?js_code=xyz&secret=s3 from ip: 1.2.3.4'
        assert (
            scrub(text) == 'bad {"access_token": "***", "errcode": 40029} url?js_code=***&secret=*** from ip: 1.2.3.4'
        )


def test_calls_are_counted_by_api_and_outcome(wecom, tencent):
    tencent.token("t1")
    tencent.answers(LIST, {"errcode": 60111, "errmsg": "no"})
    counter = CALLS.labels("wecom", LIST, "rejected")
    before = counter._value.get()
    with pytest.raises(Rejected):
        wecom.contacts_of("u")
    assert counter._value.get() == before + 1


class TestClasses:
    @pytest.mark.parametrize(
        ("platform", "errcode", "kind"),
        [
            ("wecom", -1, "transient"),
            ("wecom", 45033, "transient"),
            ("wecom", 40001, "config"),
            ("weixin", 40001, "token"),
            ("wecom", 42001, "token"),
            ("wecom", 45009, "quota"),
            ("weixin", 45011, "quota"),
            ("wecom", 60020, "config"),
            ("weixin", 40164, "config"),
            ("wecom", 84061, "final"),
            ("weixin", 43101, "final"),
            ("weixin", 43108, "transient"),
            ("wecom", 99999999, "final"),
        ],
    )
    def test_the_same_code_may_differ_by_platform(self, platform, errcode, kind):
        assert classify(platform, errcode).kind == kind
