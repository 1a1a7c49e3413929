"""Typed settings from the environment. Every missing or unsafe value is reported at once, by name."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from environs import Env, EnvValidationError
from marshmallow.validate import ContainsOnly, OneOf, Range

from .core.crypto import Keyring
from .settings_pay import PAY_NAMES, pay_account
from .wechat.pay.account import PAY_API, PayAccount

TENCENT_WECOM = "https://qyapi.weixin.qq.com"
TENCENT_WECHAT = "https://api.weixin.qq.com"
TENCENT_OPEN = "https://open.weixin.qq.com"
CONSOLE_ROLES = ("hq", "region", "dealer", "store")


class SettingsError(Exception):
    """All problems of the environment, one a line."""


@dataclass(frozen=True)
class Settings:
    """What a process must know. Secrets have no default.

    environment: production, demo or test. database_url: postgresql://... redis_url: redis:// or unix://.
    public_url: where browsers reach us. *_base: Tencent's servers, or the simulator's outside production.
    trusted_proxies: how many reverse proxies of ours stand in front and say who calls (X-Forwarded-For).
    second_factor_roles: console roles that must have a second factor; in production at least hq.
    claims_per_address: coupons that may be asked for from one network address in a minute.
    pay: the account at WeChat Pay whose product coupons show campaigns; None without one.
    """

    environment: str
    database_url: str
    redis_url: str
    secret_key: str
    keyring: Keyring
    public_url: str
    wecom_api_base: str
    wechat_api_base: str
    oauth_base: str
    jssdk_url: str
    log_level: str
    hot_pool_size: int
    trusted_proxies: int
    second_factor_roles: frozenset[str]
    claims_per_address: int
    pay: PayAccount | None = None

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def sqlalchemy_url(self) -> str:
        return "postgresql+psycopg://" + self.database_url.split("://", 1)[1]


def load() -> Settings:
    """Read the settings; SettingsError lists every name that is missing, malformed or unsafe in production."""
    env = Env(eager=False)
    keys, index_key = env.str("ENCRYPTION_KEYS"), env.str("BLIND_INDEX_KEY")
    values: dict[str, Any] = {
        "environment": env.str("SIYU_ENV", "production", validate=OneOf(("production", "demo", "test"))),
        "database_url": env.str("DATABASE_URL"),
        "redis_url": env.str("REDIS_URL"),
        "secret_key": env.str("SECRET_KEY"),
        "public_url": env.str("PUBLIC_URL"),
        "wecom_api_base": env.str("WECOM_API_BASE", TENCENT_WECOM),
        "wechat_api_base": env.str("WECHAT_API_BASE", TENCENT_WECHAT),
        "oauth_base": env.str("WECHAT_OPEN_BASE", TENCENT_OPEN),
        "jssdk_url": env.str("WECOM_JSSDK_URL", ""),
        "log_level": env.str("LOG_LEVEL", "INFO"),
        "hot_pool_size": env.int("HOT_POOL_SIZE", 4),
        "second_factor_roles": env.list("SECOND_FACTOR_ROLES", [], validate=ContainsOnly(CONSOLE_ROLES)),
        "claims_per_address": env.int("CLAIMS_PER_ADDRESS", 3000, validate=Range(min=1)),
        "trusted_proxies": env.int("TRUSTED_PROXIES", 0, validate=Range(0, 5)),
    }
    pay_values = {name: env.str(name, "") for name in PAY_NAMES}
    pay_base = env.str("WXPAY_API_BASE", PAY_API)
    problems: list[str] = []
    try:
        env.seal()
    except EnvValidationError as error:
        problems = [
            f"{name}: {' '.join(messages)}"
            for name, messages in cast("dict[str, list[str]]", error.error_messages).items()
        ]
    keyring, key_problems = _keyring(keys or "", index_key or "")
    pay, pay_problems = pay_account(pay_values, pay_base)
    problems += key_problems + pay_problems
    if not problems:
        roles = frozenset(values.pop("second_factor_roles"))
        required = roles | {"hq"} if values["environment"] == "production" else roles
        settings = Settings(keyring=keyring, second_factor_roles=required, pay=pay, **values)
        problems = _unsafe(settings) if settings.production else []
        if not problems:
            return settings
    raise SettingsError("\n".join(problems))


def _keyring(keys: str, index_key: str) -> tuple[Keyring, list[str]]:
    """`ENCRYPTION_KEYS` is `id:base64,id:base64`, the first one encrypts; `BLIND_INDEX_KEY` is base64."""
    problems: list[str] = []
    ring: dict[str, bytes] = {}
    for item in filter(None, keys.split(",")):
        key_id, _, body = item.partition(":")
        ring[key_id] = _key_bytes(body)
        if len(ring[key_id]) != 32 or not key_id:
            problems.append("ENCRYPTION_KEYS: each key is id:base64 of 32 bytes")
    if keys and not ring:
        problems.append("ENCRYPTION_KEYS: no key in it")
    index = _key_bytes(index_key)
    if index_key and len(index) != 32:
        problems.append("BLIND_INDEX_KEY: base64 of 32 bytes is needed")
    return Keyring(keys=ring, current=next(iter(ring), ""), index_key=index), problems


def _key_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _unsafe(settings: Settings) -> list[str]:
    """What production refuses: short or repeated secrets, plain HTTP, a stand-in for Tencent."""
    problems = []
    if len(settings.secret_key) < 32 or len(set(settings.secret_key)) < 10:
        problems.append("SECRET_KEY: at least 32 random characters")
    if any(len(set(key)) < 8 for key in [*settings.keyring.keys.values(), settings.keyring.index_key]):
        problems.append("ENCRYPTION_KEYS, BLIND_INDEX_KEY: random bytes are needed")
    if urlsplit(settings.public_url).scheme != "https":
        problems.append("PUBLIC_URL: must be https")
    tencent = {
        "WECOM_API_BASE": (settings.wecom_api_base, TENCENT_WECOM),
        "WECHAT_API_BASE": (settings.wechat_api_base, TENCENT_WECHAT),
        "WECHAT_OPEN_BASE": (settings.oauth_base, TENCENT_OPEN),
        "WECOM_JSSDK_URL": (settings.jssdk_url, ""),
    }
    if settings.pay is not None:
        tencent["WXPAY_API_BASE"] = (settings.pay.api_base, PAY_API)
        if len(set(settings.pay.api_v3_key)) < 10:
            problems.append("WXPAY_API_V3_KEY: random characters are needed")
    problems += [
        f"{name}: only Tencent's own server in production" for name, (is_, must) in tencent.items() if is_ != must
    ]
    return problems
