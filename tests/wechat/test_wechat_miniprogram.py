"""The mini-program gateway: login, phone, messages, codes, and data that came through the client."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import SiyuError
from app.wechat.errors import (
    LoginBlocked,
    LoginCodeInvalid,
    LoginCodeUsed,
    MessageInvalid,
    Misconfigured,
    PhoneCodeForeign,
    PhoneCodeInvalid,
    Rejected,
    Throttled,
    Unavailable,
    UserDataInvalid,
)
from app.wechat.subscribe import fitted
from app.wechat.watermark import check_raw_data, decrypt_user_data

VECTORS = json.loads((Path(__file__).parent / "samples" / "vectors.json").read_text())
SESSION = "mp:/sns/jscode2session"
PHONE = "mp:/wxa/business/getuserphonenumber"


class TestLogin:
    def test_a_code_becomes_a_session_without_an_access_token(self, mini, tencent):
        tencent.answers(SESSION, {"openid": "o1", "unionid": "u1", "session_key": "tiihtNczf5v6AKRyjwEUhQ=="})
        session = mini.code_to_session("code")
        assert (session.openid, session.unionid) == ("o1", "u1")
        assert "tiihtNczf5v6AKRyjwEUhQ" not in repr(session)
        assert len(tencent.mock.calls) == 1

    def test_an_unbound_mini_program_has_no_unionid(self, mini, tencent):
        tencent.answers(SESSION, {"openid": "o1", "session_key": "k"})
        assert mini.code_to_session("code").unionid is None

    @pytest.mark.parametrize(
        ("errcode", "error"),
        [
            (40029, LoginCodeInvalid),
            (40163, LoginCodeUsed),
            (40226, LoginBlocked),
            (-1, Unavailable),
            (45011, Throttled),
            (40013, Misconfigured),
            (40125, Misconfigured),
            (40001, Misconfigured),
        ],
    )
    def test_refusals(self, mini, tencent, errcode, error):
        tencent.answers(SESSION, {"errcode": errcode, "errmsg": "no"})
        with pytest.raises(error):
            mini.code_to_session("code")
        assert len(tencent.calls("jscode2session")) == 1

    def test_one_shopper_who_is_too_fast_does_not_stop_the_others(self, mini, tencent):
        tencent.answers(SESSION, {"errcode": 45011, "errmsg": "slow down"}, {"openid": "o2", "session_key": "k"})
        with pytest.raises(Throttled):
            mini.code_to_session("code")
        assert mini.code_to_session("another").openid == "o2"

    def test_the_codes_are_stable(self):
        codes = [error.code for error in (LoginCodeInvalid, LoginCodeUsed, LoginBlocked)]
        assert codes == ["login_code_invalid", "login_code_used", "login_blocked"]

    def test_a_lost_answer_asks_the_shopper_to_try_again(self, mini, tencent):
        tencent.answers(SESSION, requests.ReadTimeout("x"))
        with pytest.raises(Unavailable):
            mini.code_to_session("code")
        assert len(tencent.calls("jscode2session")) == 1

    @pytest.mark.parametrize("code", ["", "x" * 513])
    def test_an_impossible_code_is_not_sent(self, mini, tencent, code):
        with pytest.raises(LoginCodeInvalid):
            mini.code_to_session(code)
        assert not tencent.mock.calls


class TestPhone:
    @staticmethod
    def answer(*, appid="wxmini", age=0, country: object = 86, number="13800000000") -> dict:
        stamp = int(datetime.now(UTC).timestamp()) - age
        info = {
            "phoneNumber": number,
            "purePhoneNumber": number,
            "countryCode": country,
            "watermark": {"timestamp": stamp, "appid": appid},
        }
        return {"errcode": 0, "errmsg": "ok", "phone_info": info}

    @pytest.mark.parametrize("country", [86, "86", "+86"])
    def test_a_number_in_one_form(self, mini, tencent, country):
        tencent.mini_token("m1")
        tencent.answers(PHONE, self.answer(country=country))
        phone = mini.phone_number("code", openid="o1")
        assert (phone.number, phone.country_code, phone.national) == ("+8613800000000", "86", "13800000000")
        assert json.loads(tencent.calls("getuserphonenumber")[0].body) == {"code": "code", "openid": "o1"}

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ({"appid": "wxother"}, PhoneCodeForeign),
            ({"age": 3600}, PhoneCodeInvalid),
            ({"age": -3600}, PhoneCodeInvalid),
            ({"number": "xxxxxx"}, PhoneCodeInvalid),
        ],
    )
    def test_a_watermark_that_does_not_hold(self, mini, tencent, answer, error):
        tencent.mini_token("m1")
        tencent.answers(PHONE, self.answer(**answer))
        with pytest.raises(error):
            mini.phone_number("code")

    @pytest.mark.parametrize(
        ("errcode", "error"),
        [
            (40029, PhoneCodeInvalid),
            (40163, PhoneCodeInvalid),
            (40013, PhoneCodeForeign),
            (40003, PhoneCodeForeign),
            (43104, PhoneCodeForeign),
            (48001, Misconfigured),
        ],
    )
    def test_refusals(self, mini, tencent, errcode, error):
        tencent.mini_token("m1")
        tencent.answers(PHONE, {"errcode": errcode, "errmsg": "no"})
        with pytest.raises(error):
            mini.phone_number("code")


class TestSubscribeMessages:
    SEND = "mp:/cgi-bin/message/subscribe/send"

    def test_values_are_fitted_to_their_kinds(self, mini, tencent):
        tencent.mini_token("m1")
        tencent.answers(self.SEND, {"errcode": 0})
        data = {"thing1": "好" * 30, "time2": "2026年1月1日 10:00", "amount3": "￥128.50元", "phrase4": "已到账成功啦"}
        mini.send_subscribe_message(openid="o", template_id="t", data=data, page="pages/wallet?x=1")
        sent = json.loads(tencent.calls("/subscribe/send")[0].body)
        assert sent["data"]["thing1"]["value"] == "好" * 19 + "…"
        assert sent["data"]["phrase4"]["value"] == "已到账成…" and sent["page"] == "pages/wallet?x=1"

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("number1", "1" * 33),
            ("character_string2", "x" * 33),
            ("phone_number3", "1" * 18),
            ("amount4", "1" * 11),
            ("thing1", " "),
            ("Thing 1", "x"),
        ],
    )
    def test_a_value_that_cutting_would_falsify_is_refused(self, key, value):
        with pytest.raises(MessageInvalid):
            fitted(key, value)

    @settings(deadline=None)
    @given(st.sampled_from(["thing1", "name2", "phrase3", "symbol4"]), st.text(min_size=1).filter(str.strip))
    def test_a_cut_value_is_within_its_limit(self, key, value):
        limit = {"thing1": 20, "name2": 20, "phrase3": 5, "symbol4": 5}[key]
        assert 0 < len(fitted(key, value)) <= limit

    def test_no_subscription_left(self, mini, tencent):
        tencent.mini_token("m1")
        tencent.answers(self.SEND, {"errcode": 43101, "errmsg": "user refuse to accept the msg"})
        with pytest.raises(Rejected) as caught:
            mini.send_subscribe_message(openid="o", template_id="t", data={"thing1": "x"})
        assert caught.value.reason == "not_subscribed"


class TestCodes:
    CODE = "mp:/wxa/getwxacodeunlimit"

    def test_an_image_or_an_error(self, mini, tencent):
        tencent.mini_token("m1")
        tencent.answers(self.CODE, b"\x89PNG...", {"errcode": 41030, "errmsg": "invalid page"}, {"errcode": 0})
        assert mini.wxacode_unlimited(scene="c=Ab1", page="pages/index").startswith(b"\x89PNG")
        with pytest.raises(Rejected) as caught:
            mini.wxacode_unlimited(scene="c=Ab1")
        assert caught.value.reason == "page_not_released"
        with pytest.raises(Unavailable):
            mini.wxacode_unlimited(scene="c=Ab1")

    @pytest.mark.parametrize(
        "wrong",
        [{"scene": ""}, {"scene": "中文"}, {"scene": "a%20b"}, {"scene": "x" * 33}]
        + [{"scene": "a", "page": "/p"}, {"scene": "a", "page": "p?q=1"}, {"scene": "a", "width": 100}]
        + [{"scene": "a", "env": "production"}],
    )
    def test_arguments_out_of_range(self, mini, tencent, wrong):
        with pytest.raises(MessageInvalid):
            mini.wxacode_unlimited(**wrong)
        assert not tencent.mock.calls


class TestUserData:
    VECTOR = VECTORS["encrypted_data"][0]

    def sent(self, **changes) -> dict:
        names = ("appid", "session_key", "iv", "encrypted_data")
        return {**{name: self.VECTOR[name] for name in names}, **changes}

    def test_the_published_sample(self):
        assert decrypt_user_data(**self.sent(max_age=None)) == self.VECTOR["expected_plaintext_json"]
        with time_machine.travel(1477314187 + 60):
            assert decrypt_user_data(**self.sent())["openId"] == "oGZUI0egBJY1zhBYw2KhdUfwVJJE"

    def test_an_old_watermark_or_another_mini_program(self):
        for changes in ({}, {"max_age": None, "appid": "wxother"}):
            with pytest.raises(UserDataInvalid):
                decrypt_user_data(**self.sent(**changes))

    def test_a_session_key_that_was_replaced(self):
        with pytest.raises(UserDataInvalid):
            decrypt_user_data(**self.sent(session_key="HyVFkGl5F5OQWJZZaNzBBg==", max_age=None))

    @settings(deadline=None)
    @given(st.binary(max_size=80), st.binary(max_size=20), st.one_of(st.binary(max_size=20), st.binary(min_size=16)))
    def test_nonsense_raises_nothing_but_our_4xx(self, data, iv, key):
        parts = {
            name: base64.b64encode(raw).decode()
            for name, raw in (("encrypted_data", data), ("iv", iv), ("session_key", key))
        }
        with pytest.raises(SiyuError):
            decrypt_user_data(appid="wx", max_age=None, **parts)

    @settings(deadline=None)
    @given(st.text(max_size=50))
    def test_text_that_is_not_base64(self, text):
        with pytest.raises(SiyuError):
            decrypt_user_data(**self.sent(encrypted_data=text))

    def test_raw_data(self):
        vector = VECTORS["raw_data"][0]
        sent = {"raw_data": vector["raw_data"], "session_key": vector["session_key"]}
        check_raw_data(signature=vector["expected_signature"], **sent)
        for signature in ("0" * 40, "", "é"):
            with pytest.raises(UserDataInvalid):
                check_raw_data(signature=signature, **sent)
