"""Who opened our page inside WeCom, and what lets the page use the JS-SDK (WeCom docs, path/91022, 91023, 96914)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import urldefrag, urlencode

from app.core import clock

from .. import limits, reply
from ..client import grant
from ..errors import LoginCodeInvalid, LoginCodeUsed, MessageInvalid, Rejected
from ..tokens import Grant, derived
from .topic import Topic

_SCOPES = ("snsapi_base", "snsapi_privateinfo")


@dataclass(frozen=True)
class Visitor:
    """A member (`userid`, whether or not the app may see him: authorise him yourself) or an outsider (`openid`)."""

    userid: str | None
    openid: str | None
    external_userid: str | None


@dataclass(frozen=True)
class SignedConfig:
    """What `wx.config` (corp) or `wx.agentConfig` (agent, with `agent_id`) needs. `timestamp` in seconds."""

    corp_id: str
    agent_id: int | None
    timestamp: int
    nonce: str
    signature: str


class Visitors(Topic):
    def authorize_url(self, redirect: str, state: str, *, scope: str = "snsapi_base") -> str:
        """Where to send the browser; it comes back to `redirect` with `code` and `state` (at most 128 bytes)."""
        limits.at_most_bytes(state, 128, "state")
        if scope not in _SCOPES:
            raise MessageInvalid("The scope is unknown.", field="scope")
        query = urlencode(
            {
                "appid": self.app.corp_id,
                "redirect_uri": redirect,
                "response_type": "code",
                "scope": scope,
                "state": state,
                "agentid": self.app.agent_id,
            }
        )
        return f"{self.app.oauth_base}/connect/oauth2/authorize?{query}#wechat_redirect"

    def visitor_from_code(self, code: str) -> Visitor:
        """Exchange the code of the redirect (five minutes, once)."""
        if not code or len(code) > 512:
            raise LoginCodeInvalid
        try:
            answer = self.client.redeem("/cgi-bin/auth/getuserinfo", code=code)
        except Rejected as error:
            if error.reason == "code_used":
                raise LoginCodeUsed from None
            if error.reason in ("code_invalid", "code_expired"):
                raise LoginCodeInvalid from None
            raise
        userid = reply.optional_text(answer, "userid")
        if userid:  # the documented sample shows the keys of both cases at once
            return Visitor(userid, None, None)
        return Visitor(None, reply.text(answer, "openid"), reply.optional_text(answer, "external_userid"))

    def config(self, url: str) -> SignedConfig:
        """For `wx.config`, signed with the corp's ticket. `url` is the page as the browser sees it."""
        return self._signed("jsapi", "/cgi-bin/get_jsapi_ticket", {}, url, None)

    def agent_config(self, url: str) -> SignedConfig:
        """For `wx.agentConfig` or `ww.register`, signed with this app's own ticket."""
        return self._signed("agent-ticket", "/cgi-bin/ticket/get", {"type": "agent_config"}, url, self.app.agent_id)

    def _signed(self, kind: str, path: str, params: dict[str, str], url: str, agent_id: int | None) -> SignedConfig:
        def fetch() -> Grant:
            return grant(self.client.get(path, **params), "ticket")

        ticket = self.client.wire.tokens.get(derived(self.app.credential, kind), fetch)
        timestamp, nonce = int(clock.now().timestamp()), secrets.token_hex(8)
        signed = jsapi_signature(ticket=ticket, nonce=nonce, timestamp=timestamp, url=url)
        return SignedConfig(self.app.corp_id, agent_id, timestamp, nonce, signed)


def jsapi_signature(*, ticket: str, nonce: str, timestamp: int, url: str) -> str:
    """SHA-1 over the four values in this order; the fragment of the URL does not count."""
    page = urldefrag(url).url
    joined = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={page}"
    return hashlib.sha1(joined.encode()).hexdigest()
