"""The gateway to one official account: web login (OAuth2), subscribers, QR codes (developers.weixin.qq.com, 公众号).

The access token of a login is the user's own and unlike the account's: it is used here and never kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from . import limits, reply
from .accounts import OfficialAccount
from .client import WeixinClient, Wire
from .errors import (
    LoginBlocked,
    LoginCodeInvalid,
    LoginCodeUsed,
    MessageInvalid,
    Misconfigured,
    Rejected,
    SnapshotUser,
    TokenRefused,
    Unavailable,
    UnknownOutcome,
)

SILENT, WITH_PROFILE = "snsapi_base", "snsapi_userinfo"
MAX_STATE = 128  # bytes; a longer one makes WeChat show an error page
LONGEST_QRCODE = 30 * 86400  # seconds a temporary QR code may live

_MAX_CODE = 512
_REFUSALS = {"code_invalid": LoginCodeInvalid, "code_used": LoginCodeUsed, "user_blocked": LoginBlocked}


@dataclass(frozen=True)
class WebUser:
    """Who opened the page. `unionid` is None unless the account is bound to an Open Platform account and the user is
    known to it; `profile_allowed`: the user let us read nickname and picture with `profile`.
    """

    openid: str
    unionid: str | None
    profile_allowed: bool
    access_token: str = field(repr=False)


@dataclass(frozen=True)
class Profile:
    """What the user shows of themselves; WeChat may make both up (微信用户, a grey picture)."""

    openid: str
    unionid: str | None
    nickname: str
    avatar: str | None


@dataclass(frozen=True)
class Subscriber:
    """A user as the account sees them. Who does not follow it has no more than `subscribed` False."""

    openid: str
    unionid: str | None
    subscribed: bool
    subscribed_at: datetime | None
    scene: str | None  # subscribe_scene: ADD_SCENE_QR_CODE and the like
    qr_scene: str | None


@dataclass(frozen=True)
class QrCode:
    """`url` is what the code says; `ticket` buys its picture at mp.weixin.qq.com/cgi-bin/showqrcode."""

    ticket: str
    url: str
    expires_in: int | None


class OfficialGateway:
    """Every call may raise the errors of `app.wechat.errors`; none may be made inside a transaction."""

    def __init__(self, app: OfficialAccount, wire: Wire) -> None:
        self.app = app
        self._client = WeixinClient(app, wire)

    def authorize_url(self, redirect: str, state: str, *, scope: str = SILENT) -> str:
        """Where to send the browser; it comes back to `redirect` with `code` and `state`.

        The client wants the parameters in this very order, and the fragment.
        """
        limits.at_most_bytes(state, MAX_STATE, "state")
        if scope not in (SILENT, WITH_PROFILE):
            raise MessageInvalid("The scope is unknown.", field="scope")
        query = urlencode(
            [
                ("appid", self.app.appid),
                ("redirect_uri", redirect),
                ("response_type", "code"),
                ("scope", scope),
                ("state", state),
            ],
            quote_via=quote,
            safe="",
        )
        return f"{self.app.oauth_base}/connect/oauth2/authorize?{query}#wechat_redirect"

    def web_user(self, code: str) -> WebUser:
        """Exchange the code of the redirect (five minutes, once). SnapshotUser for a preview's made-up user."""
        if not code or len(code) > _MAX_CODE:
            raise LoginCodeInvalid
        answer = self._of_user(
            "/sns/oauth2/access_token",
            appid=self.app.appid,
            secret=self.app.secret,
            code=code,
            grant_type="authorization_code",
        )
        if reply.number(answer, "is_snapshotuser") == 1:
            raise SnapshotUser
        scopes = (reply.optional_text(answer, "scope") or "").split(",")
        return WebUser(
            openid=reply.text(answer, "openid"),
            unionid=reply.optional_text(answer, "unionid"),
            profile_allowed=WITH_PROFILE in scopes,
            access_token=reply.text(answer, "access_token"),
        )

    def profile(self, user: WebUser) -> Profile:
        """Nickname and picture of a user who allowed it, and the unionid."""
        if not user.profile_allowed:
            raise MessageInvalid("The user did not allow it.", field="scope")
        answer = self._of_user("/sns/userinfo", access_token=user.access_token, openid=user.openid, lang="zh_CN")
        if reply.text(answer, "openid") != user.openid:
            raise Unavailable("The profile is another user's.")
        return Profile(
            openid=user.openid,
            unionid=reply.optional_text(answer, "unionid"),
            nickname=reply.optional_text(answer, "nickname") or "",
            avatar=reply.optional_text(answer, "headimgurl"),
        )

    def subscriber(self, openid: str) -> Subscriber:
        """The user as a follower of the account; `Rejected` with reason `openid_unknown` for a foreign openid."""
        answer = self._client.get("/cgi-bin/user/info", openid=openid, lang="zh_CN")
        return Subscriber(
            openid=reply.text(answer, "openid"),
            unionid=reply.optional_text(answer, "unionid"),
            subscribed=reply.number(answer, "subscribe") == 1,
            subscribed_at=reply.moment(answer, "subscribe_time"),
            scene=reply.optional_text(answer, "subscribe_scene"),
            qr_scene=reply.optional_text(answer, "qr_scene_str") or _scene_number(answer),
        )

    def create_qrcode(self, scene: str, *, seconds: int | None = None) -> QrCode:
        """A code that brings `scene` (1 to 64 characters) with the follower; for good, or for `seconds` (to 30 days).

        Codes for good are limited to 100,000 an account, so a lost answer ends as UnknownOutcome.
        """
        limits.present(scene, "scene")
        limits.at_most_characters(scene, 64, "scene")
        if seconds is not None and not 60 <= seconds <= LONGEST_QRCODE:
            raise MessageInvalid("A temporary code lives 60 seconds to 30 days.", field="seconds")
        body: dict[str, Any] = {"action_info": {"scene": {"scene_str": scene}}}
        if seconds is None:
            body["action_name"] = "QR_LIMIT_STR_SCENE"
        else:
            body |= {"action_name": "QR_STR_SCENE", "expire_seconds": seconds}
        answer = self._client.post("/cgi-bin/qrcode/create", body, repeatable=seconds is not None)
        return QrCode(
            reply.text(answer, "ticket"), reply.text(answer, "url"), reply.number(answer, "expire_seconds") or None
        )

    def _of_user(self, path: str, **params: str) -> dict[str, Any]:
        """A call with a user's code or token: not repeated, as a code works once, and none of the account's tokens."""
        try:
            answer: dict[str, Any] = self._client.wire.transport.send(self._client.call(path, params))
        except Rejected as error:
            if error.reason in _REFUSALS:
                raise _REFUSALS[error.reason]() from None
            raise
        except TokenRefused as error:
            if path == "/sns/userinfo":  # the user's token, minutes old: whoever is asked again gets a new one
                raise LoginCodeInvalid from None
            raise Misconfigured(error.message, errcode=40001, reason="secret_wrong") from None
        except UnknownOutcome as error:  # a lost answer costs the user one more redirect
            raise Unavailable(error.message) from None
        return answer


def _scene_number(answer: dict[str, Any]) -> str | None:
    number = reply.number(answer, "qr_scene")
    return str(number) if number else None
