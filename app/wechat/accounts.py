"""The accounts we speak for, as plain values handed in from above (secrets never appear in a repr)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .callbacks import CallbackKeys

WECOM_API = "https://qyapi.weixin.qq.com"
WEIXIN_API = "https://api.weixin.qq.com"
OAUTH_BASE = "https://open.weixin.qq.com"


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class WeComApp:
    """One self-built WeCom application of one corp. Values: admin console, 我的企业 (corp id) and the app's page."""

    corp_id: str
    agent_id: int
    secret: str = field(repr=False)
    callback_token: str = field(default="", repr=False)
    callback_aes_key: str = field(default="", repr=False)
    api_base: str = WECOM_API
    oauth_base: str = OAUTH_BASE

    @property
    def account(self) -> str:
        """The key of quotas, which Tencent counts per corp."""
        return self.corp_id

    @property
    def credential(self) -> str:
        """The key of the token: another secret or another server is another credential, so a repair works at once."""
        return f"wecom:{self.corp_id}:{self.agent_id}:{_fingerprint(self.secret, self.api_base)}"

    @property
    def callback_keys(self) -> CallbackKeys:
        return CallbackKeys(self.callback_token, self.callback_aes_key, self.corp_id)


@dataclass(frozen=True)
class MiniProgram:
    """One mini-program. Values: mp.weixin.qq.com, 开发管理."""

    appid: str
    secret: str = field(repr=False)
    push_token: str = field(default="", repr=False)
    push_aes_key: str = field(default="", repr=False)
    api_base: str = WEIXIN_API

    @property
    def account(self) -> str:
        return self.appid

    @property
    def credential(self) -> str:
        return f"weixin:{self.appid}:{_fingerprint(self.secret, self.api_base)}"

    @property
    def callback_keys(self) -> CallbackKeys:
        return CallbackKeys(self.push_token, self.push_aes_key, self.appid)


@dataclass(frozen=True)
class OfficialAccount(MiniProgram):
    """One official account (公众号, a verified service account). Values: mp.weixin.qq.com, 设置与开发."""

    oauth_base: str = OAUTH_BASE
