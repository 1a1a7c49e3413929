"""Gateways for a brand's platform accounts: credentials out of the organisation, base URLs out of the settings."""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis import Redis

from app.core import crypto
from app.core.errors import NotFound, ProgrammingError
from app.core.transaction import reading
from app.org import queries as org
from app.org.models import PlatformAccount
from app.org.rules import ACCOUNT_CONTEXT
from app.settings import Settings
from app.wechat.accounts import MiniProgram, OfficialAccount, WeComApp
from app.wechat.client import Wire
from app.wechat.miniprogram import MiniProgramGateway
from app.wechat.official import OfficialGateway
from app.wechat.pay.account import PayAccount
from app.wechat.pay.client import PayWire
from app.wechat.pay.product_coupons import ProductCoupons
from app.wechat.wecom import WeCom


@dataclass(frozen=True)
class _Outside:
    """What every gateway of the process shares."""

    wire: Wire
    pay: PayAccount | None
    pay_wire: PayWire
    wecom_api_base: str
    wechat_api_base: str
    oauth_base: str


REMEMBER_SECONDS = 10

_outside: _Outside | None = None
_remembered: dict[tuple[int, str], tuple[float, PlatformAccount | None]] = {}


class AccountMissing(NotFound):
    code, message = "account_missing", "The brand has no such platform account."


def configure(settings: Settings, redis: Redis) -> None:
    """Install the shared connection pool and base URLs; called once by the composition root."""
    global _outside
    _remembered.clear()
    _outside = _Outside(
        wire=Wire(redis),
        pay=settings.pay,
        pay_wire=PayWire(),
        wecom_api_base=settings.wecom_api_base,
        wechat_api_base=settings.wechat_api_base,
        oauth_base=settings.oauth_base,
    )


def _shared() -> _Outside:
    if _outside is None:
        raise ProgrammingError("platform accounts are not configured")
    return _outside


def pay() -> PayAccount | None:
    """The deployment's account at WeChat Pay, if it has one."""
    return _shared().pay


def product_coupons() -> ProductCoupons | None:
    """The gateway to the product coupons of that account."""
    account = pay()
    return ProductCoupons(account, _shared().pay_wire) if account is not None else None


def wecom(brand_id: int) -> WeCom:
    """The gateway to the brand's WeCom application."""
    return WeCom(wecom_app(_account(brand_id, "wecom")), _shared().wire)


def miniprogram(brand_id: int) -> MiniProgramGateway:
    """The gateway to the brand's mini-program."""
    return MiniProgramGateway(mini_program(_account(brand_id, "miniprogram")), _shared().wire)


def official(brand_id: int) -> OfficialGateway:
    """The gateway to the brand's official account."""
    return OfficialGateway(official_account(_account(brand_id, "official")), _shared().wire)


def _account(brand_id: int, kind: str) -> PlatformAccount:
    """The stored account, remembered for a few seconds: a gateway is built for every call."""
    loaded_at, account = _remembered.get((brand_id, kind), (0.0, None))
    if account is None or time.monotonic() - loaded_at > REMEMBER_SECONDS:
        with reading():
            account = org.account(brand_id, kind)
        if account is None:
            raise AccountMissing(kind=kind)
        _remembered[brand_id, kind] = time.monotonic(), account
    return account


def wecom_app(account: PlatformAccount) -> WeComApp:
    """The credentials behind a stored WeCom account."""
    if account.agent_id is None:
        raise AccountMissing(kind="wecom")
    return WeComApp(
        corp_id=account.namespace,
        agent_id=account.agent_id,
        secret=crypto.decrypt(account.secret, context=ACCOUNT_CONTEXT),
        callback_token=crypto.decrypt(account.callback_token, context=ACCOUNT_CONTEXT),
        callback_aes_key=crypto.decrypt(account.callback_aes_key, context=ACCOUNT_CONTEXT),
        api_base=_shared().wecom_api_base,
        oauth_base=_shared().oauth_base,
    )


def mini_program(account: PlatformAccount) -> MiniProgram:
    """The credentials behind a stored mini-program account."""
    return MiniProgram(
        appid=account.namespace,
        secret=crypto.decrypt(account.secret, context=ACCOUNT_CONTEXT),
        push_token=crypto.decrypt(account.callback_token, context=ACCOUNT_CONTEXT),
        push_aes_key=crypto.decrypt(account.callback_aes_key, context=ACCOUNT_CONTEXT),
        api_base=_shared().wechat_api_base,
    )


def official_account(account: PlatformAccount) -> OfficialAccount:
    """The credentials behind a stored official account."""
    return OfficialAccount(
        appid=account.namespace,
        secret=crypto.decrypt(account.secret, context=ACCOUNT_CONTEXT),
        push_token=crypto.decrypt(account.callback_token, context=ACCOUNT_CONTEXT),
        push_aes_key=crypto.decrypt(account.callback_aes_key, context=ACCOUNT_CONTEXT),
        api_base=_shared().wechat_api_base,
        oauth_base=_shared().oauth_base,
    )
