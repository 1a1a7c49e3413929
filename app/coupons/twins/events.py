"""What the world hears of coupons' twins. Ids are integers; `sealed` is a ciphertext."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class TwinDue(Event):
    """Both sides of a coupon must be compared, and the channel told what it does not know."""

    name = "coupons.twin_due"

    coupon_id: int


@dataclass(frozen=True, kw_only=True)
class BindingDue(Event):
    """A binding's stock must be made, looked at, resized or ended in its channel."""

    name = "coupons.binding_due"

    campaign_id: int


@dataclass(frozen=True, kw_only=True)
class TwinLeft(Event):
    """A member was forgotten whose coupon is still in the wallet of a channel: it must be withdrawn there.

    It names no member, and what the channel needs to know of them is sealed.
    """

    name = "coupons.twin_left"

    coupon_id: int
    channel: str
    sealed: str


@dataclass(frozen=True, kw_only=True)
class TwinsCompared(Event):
    """The nightly comparison goes on after a chunk, up to coupons last looked at before `before` (ISO 8601)."""

    name = "coupons.twins_compared"

    before: str
    part: int = 0


@dataclass(frozen=True, kw_only=True)
class WalletsAsked(Event):
    """The wallets of a brand's members up to `after` (a member id) were asked for coupons that were taken in a channel;
    the night goes on with who follows.
    """

    name = "coupons.wallets_asked"

    after: int = 0
