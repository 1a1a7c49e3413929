"""Access tokens and JS-SDK tickets.

WeCom `gettoken` answers the same token until it expires; `/cgi-bin/token` of a mini-program answers a new one and
leaves the old one five minutes; `stable_token` answers the same one, renewed five minutes before its end.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from app.wechat.simulator.engine.rows import App, MiniProgram, Token
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import WireError

LIFE = 7200
OVERLAP = 300
WRONG_SECRET_BAN = 100  # wrong secrets within an hour before the address is banned (45009)


class Tokens:
    def __init__(self, world: World) -> None:
        self.world = world
        self._wrong_secrets: list[float] = []

    # --- issuing -----------------------------------------------------------------------------------------------

    def gettoken(self, corp_id: str, secret: str) -> dict[str, Any]:
        world = self.world
        with world.lock:
            if not corp_id:
                raise WireError(41002, "corpid missing")
            if not secret:
                raise WireError(41004)
            self._refuse_banned()
            if corp_id not in world.corps:
                raise WireError(40013, "invalid corpid")
            app = next((a for a in world.apps if a.secret == secret and a.corp_id == corp_id), None)
            if app is None:
                self._wrong_secrets.append(world.now())
                raise WireError(40091 if any(a.secret == secret for a in world.apps) else 40001)
            token = self._current("wecom", corp_id, app.agent_id, margin=0)
            if token is None:
                token = self._issue("wecom", corp_id, app.agent_id, length=214)
            return {"access_token": token.value, "expires_in": int(token.expires_at - world.now())}

    def mini_token(self, appid: str, secret: str) -> dict[str, Any]:
        """Classic `/cgi-bin/token`: every call answers a new token."""
        with self.world.lock:
            self._mini(appid, secret)
            old = self._current("mini", appid, None, margin=0)
            if old is not None:
                self._retire(old, OVERLAP)
            token = self._issue("mini", appid, None, length=136)
            return {"access_token": token.value, "expires_in": LIFE}

    def stable_token(self, appid: str, secret: str, force: bool) -> dict[str, Any]:
        world = self.world
        with world.lock:
            self._mini(appid, secret)
            token = self._current("stable", appid, None, margin=OVERLAP)
            if force:
                key = f"forced|{appid}"
                recent = [t for t in world.value(key, []) if t > world.now() - 86400]
                if len(recent) >= 20:
                    raise WireError(45009)
                if recent and world.now() - recent[-1] < 30 and token is not None:
                    raise WireError(45011, "api minute-quota reach limit, must slower")
                world.set_value(key, [*recent, world.now()])
                if token is not None:
                    self._retire(token, 0)
                    token = None
            if token is None:
                previous = self._current("stable", appid, None, margin=0)
                if previous is not None:
                    self._retire(previous, OVERLAP)
                token = self._issue("stable", appid, None, length=136)
            return {"access_token": token.value, "expires_in": int(token.expires_at - world.now())}

    def ticket(self, kind: str, corp_id: str, agent_id: int | None) -> dict[str, Any]:
        """JS-SDK ticket: `jsapi` of the corp, or `agent` of one app."""
        with self.world.lock:
            agent = agent_id if kind == "agent" else None
            token = self._current(kind, corp_id, agent, margin=0) or self._issue(kind, corp_id, agent, length=86)
            return {"ticket": token.value, "expires_in": int(token.expires_at - self.world.now())}

    # --- checking ----------------------------------------------------------------------------------------------

    def check_corp(self, value: str | None) -> App:
        with self.world.lock:
            token = self._check(value, {"wecom"}, 40014)
            return self.world.apps.rows[f"{token.owner}|{token.agent_id}"]

    def check_mini(self, value: str | None) -> MiniProgram:
        with self.world.lock:
            return self.world.minis.rows[self._check(value, {"mini", "stable"}, 40001).owner]

    def _check(self, value: str | None, kinds: set[str], invalid: int) -> Token:
        if not value:
            raise WireError(41001)
        token = self.world.tokens.get(value)
        if token is None or token.kind not in kinds:
            raise WireError(invalid)
        if token.expires_at <= self.world.now():
            raise WireError(42001 if token.current else invalid)
        return token

    def signature_matches(
        self, *, kind: str, corp_id: str, agent_id: int | None, nonce: str, timestamp: str, url: str, signature: str
    ) -> bool:
        """Whether a JS-SDK signature was made with a ticket that is alive."""
        with self.world.lock:
            for token in self.world.tokens:
                alive = token.kind == kind and token.owner == corp_id and token.expires_at > self.world.now()
                if not alive or (kind == "agent" and token.agent_id != agent_id):
                    continue
                text = f"jsapi_ticket={token.value}&noncestr={nonce}&timestamp={timestamp}&url={url}"
                if hmac.compare_digest(hashlib.sha1(text.encode()).hexdigest(), signature):
                    return True
        return False

    def expire_all(self, owner: str | None = None) -> int:
        """End tokens early, as Tencent may: the next call with one of them answers 42001."""
        with self.world.lock:
            ended = [t for t in self.world.tokens if owner in (None, t.owner) and t.expires_at > self.world.now()]
            for token in ended:
                token.expires_at = self.world.now()
                self.world.tokens.touch(token.value)
            return len(ended)

    def session_key(self) -> str:
        return base64.b64encode(hashlib.md5(self.world.make_id("session").encode()).digest()).decode()

    # --- inside ------------------------------------------------------------------------------------------------

    def _mini(self, appid: str, secret: str) -> MiniProgram:
        if not appid:
            raise WireError(41002)
        if not secret:
            raise WireError(41004)
        mini = self.world.minis.get(appid)
        if mini is None:
            raise WireError(40013)
        if mini.secret != secret:
            raise WireError(40125)
        return mini

    def _refuse_banned(self) -> None:
        self._wrong_secrets = [t for t in self._wrong_secrets if t > self.world.now() - 3600]
        if len(self._wrong_secrets) >= WRONG_SECRET_BAN:
            raise WireError(45009)

    def _current(self, kind: str, owner: str, agent_id: int | None, *, margin: float) -> Token | None:
        value = self.world.value(f"token|{kind}|{owner}|{agent_id}")
        token = self.world.tokens.get(value) if value else None
        return token if token is not None and token.expires_at - margin > self.world.now() else None

    def _issue(self, kind: str, owner: str, agent_id: int | None, *, length: int) -> Token:
        world = self.world
        for old in [t.value for t in world.tokens if t.expires_at < world.now() - 86400]:
            world.tokens.drop(old)
        value = world.make_id(f"token-{kind}", length)
        world.set_value(f"token|{kind}|{owner}|{agent_id}", value)
        return world.tokens.put(value, Token(value, kind, owner, agent_id, world.now() + LIFE))

    def _retire(self, token: Token, after: float) -> None:
        token.current = False
        token.expires_at = min(token.expires_at, self.world.now() + after)
        self.world.tokens.touch(token.value)
