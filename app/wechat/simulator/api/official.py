"""The official account's server: web login, followers, QR codes (developers.weixin.qq.com, 公众号)."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.api import Call, api
from app.wechat.simulator.errors import WireError


@api("/sns/oauth2/access_token", "GET", credential="none", raw=True)
def access_token(call: Call) -> dict[str, Any]:
    """Answers without an errcode key on success; the token is the user's, not the account's."""
    if call.text("grant_type") != "authorization_code":
        raise WireError(40002, "invalid grant_type")
    return call.engine.codes.web_token(call.text("appid"), call.text("secret"), call.text("code"))


@api("/sns/userinfo", "GET", credential="none", raw=True)
def userinfo(call: Call) -> dict[str, Any]:
    return call.engine.codes.web_profile(call.text("access_token"), call.text("openid"))


@api("/cgi-bin/user/info", "GET", credential="mini", raw=True)
def user_info(call: Call) -> dict[str, Any]:
    if call.mini.kind != "official":
        raise WireError(48001)
    return call.engine.codes.follower(call.mini, call.text("openid"))


@api("/cgi-bin/qrcode/create", credential="mini", raw=True)
def create_qrcode(call: Call) -> dict[str, Any]:
    if call.mini.kind != "official":
        raise WireError(48001)
    scene = call.body["action_info"]["scene"]["scene_str"]
    kind = call.text("action_name")
    if kind not in ("QR_STR_SCENE", "QR_LIMIT_STR_SCENE") or not 1 <= len(scene) <= 64:
        raise WireError(40053, "invalid action info")
    ticket = call.engine.world.make_id("qrcode", 96)
    answer: dict[str, Any] = {"ticket": ticket, "url": f"http://weixin.qq.com/q/{ticket[:20]}"}
    if kind == "QR_STR_SCENE":
        answer["expire_seconds"] = int(call.body.get("expire_seconds") or 60)
    return answer
