"""Which adapter stands behind a channel's name, and whether the deployment has an account for it."""

from __future__ import annotations

from app.coupons.twins import rules
from app.coupons.twins.errors import ChannelNotConfigured, ChannelUnknown
from app.coupons.twins.local import LocalChannel
from app.coupons.twins.port import Capabilities, CouponChannel

from .. import accounts
from .product_coupon import ProductCouponChannel

_LOCAL = LocalChannel()


def channel(name: str) -> CouponChannel:
    """The adapter; ChannelUnknown, and ChannelNotConfigured without the account it needs."""
    if name == rules.LOCAL:
        return _LOCAL
    if name != rules.PRODUCT:
        raise ChannelUnknown(channel=name)
    gateway = accounts.product_coupons()
    if gateway is None:
        raise ChannelNotConfigured(channel=name)
    return ProductCouponChannel(gateway)


def capabilities(name: str) -> Capabilities | None:
    """What a channel can do, also without an account there; None for one that takes nobody new."""
    return {rules.LOCAL: LocalChannel.capabilities, rules.PRODUCT: ProductCouponChannel.capabilities}.get(name)


def configured(name: str) -> bool:
    """Whether a channel can be used here."""
    return name == rules.LOCAL or name == rules.PRODUCT and accounts.product_coupons() is not None
