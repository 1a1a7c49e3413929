"""One-time codes: mini-program login, phone number, OAuth, and what becomes of them."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.rows import App, Code, Customer, MiniProgram
from app.wechat.simulator.engine.tokens import Tokens
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

LIFE = {"login": 300, "phone": 300, "oauth": 300, "ticket": 1800, "welcome": 20}
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
        if appid not in self.world.minis:
            raise ControlError(f"no mini-program {appid}", 404)
        return self.issue("login", appid, customer.id)

    def phone(self, customer: Customer, appid: str) -> str:
        if appid not in self.world.minis:
            raise ControlError(f"no mini-program {appid}", 404)
        if not customer.phone:
            raise ControlError("the customer has no phone number", 409)
        return self.issue("phone", appid, customer.id)

    # --- what the servers answer -------------------------------------------------------------------------------

    def code2session(self, appid: str, secret: str, js_code: str) -> dict[str, Any]:
        """Answers without an errcode key on success, as the real server does."""
        world = self.world
        with world.lock:
            mini = world.minis.get(appid)
            if mini is None:
                raise WireError(40013)
            if mini.secret != secret:
                raise WireError(40125)
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
            raise WireError(40163 if kind == "login" else 40029)
        if code.expires_at <= self.world.now():
            raise WireError(42003 if kind == "oauth" else 40029)
        code.used_at = self.world.now()
        self.world.codes.touch(value)
        return code

    def _forget_old(self) -> None:
        codes = self.world.codes
        if len(codes) < self._sweep_at:
            return
        limit = self.world.now() - KEPT_AFTER
        for value in [c.value for c in codes if c.expires_at < limit]:
            codes.drop(value)
        self._sweep_at = max(SWEEP_AT, 2 * len(codes))
