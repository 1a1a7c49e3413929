"""One-time codes: mini-program login, phone number, OAuth, and what becomes of them."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.rows import App, Code, Customer, MiniProgram
from app.wechat.simulator.engine.tokens import Tokens
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

LIFE = {"login": 300, "phone": 300, "oauth": 300, "web": 300, "web_token": 7200, "ticket": 1800, "welcome": 20}
KEPT_AFTER = 3600  # seconds a dead code is remembered, so that a second use is told from an invented code
SWEEP_AT = 5000


class Codes:
    def __init__(self, world: World, tokens: Tokens) -> None:
        self.world = world
        self.tokens = tokens
        self._sweep_at = SWEEP_AT

    def issue(self, kind: str, receiver: str, subject: str, **data: Any) -> str:
        """A new code of `kind` issued for `receiver` (corp id or appid) to `subject` (customer id or userid)."""
        world = self.world
        with world.lock:
            self._forget_old()
            value = world.make_id(f"code-{kind}", 43 if kind == "welcome" else 32)
            world.codes.put(value, Code(value, kind, receiver, subject, world.now() + LIFE[kind], data=data))
            return value

    def login(self, customer: Customer, appid: str) -> str:
        self._account(appid, "mini")
        return self.issue("login", appid, customer.id)

    def web(self, customer: Customer, appid: str, scope: str = "snsapi_base", *, snapshot: bool = False) -> str:
        """The code of a web login in an official account; `snapshot`: of a page shown as a preview."""
        self._account(appid, "official")
        return self.issue("web", appid, customer.id, scope=scope, snapshot=snapshot)

    def phone(self, customer: Customer, appid: str) -> str:
        self._account(appid, "mini")
        if not customer.phone:
            raise ControlError("the customer has no phone number", 409)
        return self.issue("phone", appid, customer.id)

    # --- what the servers answer -------------------------------------------------------------------------------

    def code2session(self, appid: str, secret: str, js_code: str) -> dict[str, Any]:
        """Answers without an errcode key on success, as the real server does."""
        world = self.world
        with world.lock:
            mini = self._right(appid, secret, "mini")
            code = self.redeem("login", js_code, receiver=appid)
            customer = world.customers.rows[code.subject]
            openid = customer.openids[appid]
            session_key = self.tokens.session_key()
            world.set_value(f"session|{appid}|{openid}", session_key)
            answer = {"openid": openid, "session_key": session_key}
            if customer.unionid and mini.platform:
                answer["unionid"] = customer.unionid
            return answer

    def phone_number(self, mini: MiniProgram, code_value: str, openid: str | None) -> dict[str, Any]:
        world = self.world
        with world.lock:
            code = world.codes.get(code_value)
            if code is not None and code.kind == "phone" and code.receiver != mini.appid:
                raise WireError(40013)
            owned = code if code is not None and code.kind == "phone" else None
            if openid and owned and world.customers.rows[owned.subject].openids.get(mini.appid) != openid:
                raise WireError(40029)
            code = self.redeem("phone", code_value, receiver=mini.appid)
            phone = world.customers.rows[code.subject].phone or ""
            return {
                "phone_info": {
                    "phoneNumber": phone,
                    "purePhoneNumber": phone,
                    "countryCode": 86,  # the documentation says string, its sample shows a number
                    "watermark": {"timestamp": int(world.now()), "appid": mini.appid},
                }
            }

    def web_token(self, appid: str, secret: str, code_value: str) -> dict[str, Any]:
        """sns/oauth2/access_token. A silent login names the unionid of followers only, as far as anybody knows."""
        world = self.world
        with world.lock:
            official = self._right(appid, secret, "official")
            code = self.redeem("web", code_value, receiver=appid)
            customer = world.customers.rows[code.subject]
            openid, scope = customer.openids[appid], code.data["scope"]
            answer = {
                "access_token": self.issue("web_token", appid, customer.id, scope=scope),
                "expires_in": LIFE["web_token"],
                "refresh_token": world.make_id("refresh", 43),
                "openid": openid,
                "scope": scope,
            }
            if code.data.get("snapshot"):
                return answer | {"openid": "o" + world.make_id("snapshot", 27), "is_snapshotuser": 1}
            if customer.unionid and official.platform and scope != "snsapi_base":
                answer["unionid"] = customer.unionid
            return answer

    def web_profile(self, token: str, openid: str) -> dict[str, Any]:
        """sns/userinfo, with the user's own token."""
        world = self.world
        with world.lock:
            code = world.codes.get(token)
            if code is None or code.kind != "web_token" or code.expires_at <= world.now():
                raise WireError(40001)
            customer, official = world.customers.rows[code.subject], world.minis.rows[code.receiver]
            if code.data["scope"] != "snsapi_userinfo":
                raise WireError(48001)
            if customer.openids[official.appid] != openid:
                raise WireError(40003)
            answer: dict[str, Any] = {
                "openid": openid,
                "nickname": "微信用户",
                "sex": 0,
                "headimgurl": "",
                "privilege": [],
            }
            return answer | ({"unionid": customer.unionid} if customer.unionid and official.platform else {})

    def follower(self, official: MiniProgram, openid: str) -> dict[str, Any]:
        """cgi-bin/user/info: who does not follow the account has no more than an openid."""
        world = self.world
        with world.lock:
            customer = world.customers.get(world.customer_by_openid.get(f"{official.appid}|{openid}", ""))
            if customer is None:
                raise WireError(40003)
            since = world.value(f"follower|{official.appid}|{openid}")
            if not since:
                return {"subscribe": 0, "openid": openid, "tagid_list": []}
            answer = {
                "subscribe": 1,
                "openid": openid,
                "language": "zh_CN",
                "subscribe_time": int(since),
                "remark": "",
                "groupid": 0,
                "tagid_list": [],
                "subscribe_scene": "ADD_SCENE_QR_CODE",
                "qr_scene": 0,
                "qr_scene_str": "",
            }
            return answer | ({"unionid": customer.unionid} if customer.unionid and official.platform else {})

    def user_info(self, app: App, code_value: str) -> dict[str, Any]:
        """auth/getuserinfo: a member has `userid`, somebody else `openid` (and `external_userid` for a customer)."""
        world = self.world
        with world.lock:
            code = self.redeem("oauth", code_value, receiver=app.corp_id)
            if code.data.get("customer"):
                customer = world.customers.rows[code.subject]
                answer = {"openid": customer.openids.get(app.corp_id) or "o" + customer.id}
                external = customer.external_userids.get(app.corp_id)
                if external and world.follows_by_contact.get(f"{app.corp_id}|{external}"):
                    answer["external_userid"] = external
                return answer
            answer = {"userid": code.subject}
            if code.data.get("scope") == "snsapi_privateinfo":
                answer["user_ticket"] = self.issue("ticket", app.corp_id, code.subject)
            return answer

    def user_detail(self, app: App, ticket: str) -> dict[str, Any]:
        world = self.world
        with world.lock:
            code = world.codes.get(ticket)
            if code is None or code.kind != "ticket" or code.receiver != app.corp_id or code.expires_at <= world.now():
                raise WireError(84014)
            staff = world.staff.rows[f"{app.corp_id}|{code.subject}"]
            return {
                "userid": staff.userid,
                "gender": "0",
                "avatar": staff.avatar,
                "qr_code": "",
                "mobile": "",
                "email": "",
                "biz_mail": "",
                "address": "",
            }

    def redeem(self, kind: str, value: str, *, receiver: str) -> Code:
        """Use a code up. Unknown, foreign or too old: 40029; already used: 40163 for logins, 40029 for the others."""
        code = self.world.codes.get(value or "")
        if code is None or code.kind != kind or code.receiver != receiver:
            raise WireError(40029)
        if code.used_at is not None:
            raise WireError(40163 if kind in ("login", "web") else 40029)
        if code.expires_at <= self.world.now():
            raise WireError(42003 if kind == "oauth" else 40029)
        code.used_at = self.world.now()
        self.world.codes.touch(value)
        return code

    def _account(self, appid: str, kind: str) -> MiniProgram:
        row = self.world.minis.get(appid)
        if row is None or row.kind != kind:
            raise ControlError(f"no {'mini-program' if kind == 'mini' else 'official account'} {appid}", 404)
        return row

    def _right(self, appid: str, secret: str, kind: str) -> MiniProgram:
        row = self.world.minis.get(appid)
        if row is None or row.kind != kind:
            raise WireError(40013)
        if row.secret != secret:
            raise WireError(40125)
        return row

    def _forget_old(self) -> None:
        codes = self.world.codes
        if len(codes) < self._sweep_at:
            return
        limit = self.world.now() - KEPT_AFTER
        for value in [c.value for c in codes if c.expires_at < limit]:
            codes.drop(value)
        self._sweep_at = max(SWEEP_AT, 2 * len(codes))
