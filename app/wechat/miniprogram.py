"""The gateway to one mini-program: login, phone, subscribe messages, codes (developers.weixin.qq.com, server API).

`session_key` never leaves the server and is never logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core import clock

from . import reply
from .accounts import MiniProgram
from .client import WeixinClient, Wire
from .errors import (
    LoginBlocked,
    LoginCodeInvalid,
    LoginCodeUsed,
    MessageInvalid,
    Misconfigured,
    PhoneCodeForeign,
    PhoneCodeInvalid,
    Rejected,
    TokenRefused,
    Unavailable,
    UnknownOutcome,
)
from .subscribe import fitted
from .watermark import check_watermark

PHONE_MAX_AGE = 600  # seconds; a phone code lives five minutes

_MAX_CODE = 512
_SCENE = re.compile(r"[0-9a-zA-Z!#$&'()*+,/:;=?@\-._~]{1,32}")
_ENVIRONMENTS = ("release", "trial", "develop")
_STATES = ("developer", "trial", "formal")
_FOREIGN = {40003, 43104}  # the openid we named is not the one the code belongs to
_LOGIN = {
    "code_invalid": LoginCodeInvalid,
    "code_used": LoginCodeUsed,
    "user_blocked": LoginBlocked,
}


@dataclass(frozen=True)
class MiniSession:
    """`unionid` is None unless the mini-program is bound to an Open Platform account."""

    openid: str
    unionid: str | None
    session_key: str = field(repr=False)


@dataclass(frozen=True)
class Phone:
    """`number` in E.164 with plus sign, `national` without the country code."""

    number: str
    country_code: str
    national: str


class MiniProgramGateway:
    """Every call may raise the errors of `app.wechat.errors`; none may be made inside a transaction."""

    def __init__(self, app: MiniProgram, wire: Wire) -> None:
        self.app = app
        self._client = WeixinClient(app, wire)

    def code_to_session(self, code: str) -> MiniSession:
        """Exchange the code of `wx.login` (five minutes, once); needs no access token."""
        if not code or len(code) > _MAX_CODE:
            raise LoginCodeInvalid
        params = {
            "appid": self.app.appid,
            "secret": self.app.secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        try:
            # Not repeatable: the code is used up by the first try, so a second one would say it was invalid.
            answer = self._client.wire.transport.send(self._client.call("/sns/jscode2session", params))
        except Rejected as error:
            if error.reason in _LOGIN:
                raise _LOGIN[error.reason]() from None
            raise
        except TokenRefused as error:
            raise Misconfigured(error.message, errcode=40001, reason="secret_wrong") from None
        except UnknownOutcome as error:  # a lost answer costs the shopper one more wx.login
            raise Unavailable(error.message) from None
        return MiniSession(
            reply.text(answer, "openid"), reply.optional_text(answer, "unionid"), reply.text(answer, "session_key")
        )

    def phone_number(self, code: str, *, openid: str | None = None) -> Phone:
        """Exchange the code of the phone button (not the login code). Name the logged-in `openid` to be sure that the
        code is this user's: another user's or another mini-program's is `PhoneCodeForeign`.
        """
        if not code or len(code) > _MAX_CODE:
            raise PhoneCodeInvalid
        body = {"code": code} | ({"openid": openid} if openid else {})
        try:
            # Each success is billed and uses the code up, so it is not repeated.
            answer = self._client.post("/wxa/business/getuserphonenumber", body)
        except Rejected as error:
            if error.errcode in _FOREIGN:
                raise PhoneCodeForeign from None
            if error.reason in ("code_invalid", "code_used"):
                raise PhoneCodeInvalid from None
            raise
        except Misconfigured as error:
            if error.errcode == 40013:  # here: the code was given out to another appid
                raise PhoneCodeForeign from None
            raise
        except UnknownOutcome as error:
            raise Unavailable(error.message) from None
        info = reply.record(answer, "phone_info")
        if not check_watermark(info, appid=self.app.appid):
            raise PhoneCodeForeign
        if not check_watermark(info, appid=self.app.appid, now=clock.now(), max_age=PHONE_MAX_AGE):
            raise PhoneCodeInvalid
        return _phone(reply.text(info, "purePhoneNumber"), reply.text(info, "countryCode"))

    def send_subscribe_message(
        self,
        *,
        openid: str,
        template_id: str,
        data: Mapping[str, str],
        page: str = "",
        state: str = "formal",
        lang: str = "zh_CN",
    ) -> None:
        """Send one message the user asked for; each acceptance of his allows exactly one.

        `data` maps the template's keys (`thing1`, `time2`, ..) to text; text kinds are cut to their limit, because one
        value that is too long makes the whole send fail. No subscription left: `Rejected`, reason `not_subscribed`.
        """
        if state not in _STATES:
            raise MessageInvalid("The state is unknown.", field="state")
        body = {
            "touser": openid,
            "template_id": template_id,
            "data": {key: {"value": fitted(key, value)} for key, value in data.items()},
            "miniprogram_state": state,
            "lang": lang,
        }
        self._client.post("/cgi-bin/message/subscribe/send", body | ({"page": page} if page else {}))

    def wxacode_unlimited(
        self, *, scene: str, page: str = "", width: int = 430, env: str = "release", check_path: bool = True
    ) -> bytes:
        """An image of a mini-program code. `scene`: 1 to 32 characters, arrives URL-encoded; `width` 280 to 1280."""
        if not _SCENE.fullmatch(scene):
            raise MessageInvalid("scene must have 1 to 32 of the allowed characters.", field="scene", limit=32)
        if page.startswith("/") or "?" in page:
            raise MessageInvalid("page has neither a leading slash nor a query.", field="page")
        if env not in _ENVIRONMENTS:
            raise MessageInvalid("The environment is unknown.", field="env")
        if not 280 <= width <= 1280:
            raise MessageInvalid("width must be 280 to 1280.", field="width")
        body = {"scene": scene, "width": width, "env_version": env, "check_path": check_path}
        return self._client.post_for_bytes("/wxa/getwxacodeunlimit", body | ({"page": page} if page else {}))


def _phone(national: str, country_code: str) -> Phone:
    national, country_code = national.strip(), country_code.strip().lstrip("+")  # documented as text, sent as a number
    if not re.fullmatch(r"[0-9]{4,14}", national) or not re.fullmatch(r"[0-9]{1,4}", country_code):
        raise PhoneCodeInvalid("The phone number in the answer is not a number.")
    return Phone(f"+{country_code}{national}", country_code, national)
