"""What a coupon is worth and when: pure functions on terms and baskets. Money in fen, shares in basis points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from .errors import (
    CouponExpired,
    CouponLocked,
    CouponNotApplicable,
    CouponNotYetValid,
    CouponRedeemed,
    CouponVoided,
    ThresholdNotMet,
)

KINDS = ("amount", "threshold", "percent", "gift", "shipping")
STATUSES = ("claimed", "locked", "redeemed", "returned", "expired", "voided")
OPEN_STATUSES = ("claimed", "locked", "returned")
SOURCES = ("self", "sop", "tier", "push", "admin")
FULL_BP = 10_000
SHIPPING = "shipping"  # the category of a basket line that is freight


@dataclass(frozen=True, slots=True)
class Terms:
    """What is promised; a coupon keeps the terms of the version it was issued under.

    amount_fen: the discount of amount and threshold coupons, the most that a shipping coupon pays (0: all of it).
    percent_bp: the share taken off (2000 = 20 % off), at most cap_fen. gift_skus: one unit of one of these is free.
    threshold_fen: the order must amount to this. A coupon is valid within [starts_at, ends_at) and, when valid_days
    is set, for that many local days, the first of them wait_days after the claim. store_ids: None means every store.
    hq_bp: the share of the discount that headquarters pay in a dealer's store.
    """

    kind: str
    per_member: int = 1
    amount_fen: int = 0
    threshold_fen: int = 0
    percent_bp: int = 0
    cap_fen: int | None = None
    gift_skus: frozenset[str] = frozenset()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    wait_days: int = 0
    valid_days: int | None = None
    store_ids: frozenset[int] | None = None
    hq_bp: int = FULL_BP
    timezone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        problems = [
            self.kind not in KINDS and "kind",
            self.per_member < 1 and "per_member",
            self.kind in ("amount", "threshold") and self.amount_fen < 1 and "amount_fen",
            self.kind == "threshold" and self.threshold_fen < 1 and "threshold_fen",
            self.kind == "percent" and not 0 < self.percent_bp <= FULL_BP and "percent_bp",
            self.kind == "gift" and not self.gift_skus and "gift_skus",
            min(self.amount_fen, self.threshold_fen, self.wait_days) < 0 and "amount_fen, threshold_fen, wait_days",
            self.cap_fen is not None and self.cap_fen < 1 and "cap_fen",
            not 0 <= self.hq_bp <= FULL_BP and "hq_bp",
            self.valid_days is not None and self.valid_days < 1 and "valid_days",
            self.valid_days is None and self.ends_at is None and "ends_at or valid_days",
        ]
        if any(problems):
            raise ValueError(f"coupon terms: {', '.join(str(one) for one in problems if one)}")

    def stored(self) -> dict[str, Any]:
        """The JSON kept in campaign_version."""
        return {
            "kind": self.kind,
            "per_member": self.per_member,
            "amount_fen": self.amount_fen,
            "threshold_fen": self.threshold_fen,
            "percent_bp": self.percent_bp,
            "cap_fen": self.cap_fen,
            "gift_skus": sorted(self.gift_skus),
            "starts_at": self.starts_at and self.starts_at.isoformat(),
            "ends_at": self.ends_at and self.ends_at.isoformat(),
            "wait_days": self.wait_days,
            "valid_days": self.valid_days,
            "store_ids": None if self.store_ids is None else sorted(self.store_ids),
            "hq_bp": self.hq_bp,
            "timezone": self.timezone,
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Terms:
        """The terms behind `stored()`."""
        values = dict(stored)
        for name in ("starts_at", "ends_at"):
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        values["gift_skus"] = frozenset(values.get("gift_skus") or ())
        if values.get("store_ids") is not None:
            values["store_ids"] = frozenset(values["store_ids"])
        return cls(**values)


class Line(NamedTuple):
    """One line of an order: amount_fen is what the line still costs before this coupon."""

    line_no: int
    sku: str
    category: str
    quantity: int
    amount_fen: int


class Quote(NamedTuple):
    """What a coupon takes off an order, in all and for each line (line_no, fen) it touches."""

    discount_fen: int
    lines: tuple[tuple[int, int], ...]


def quote(terms: Terms, lines: Sequence[Line]) -> Quote:
    """The discount of an order, never more than it costs.

    Raises ThresholdNotMet or CouponNotApplicable when there is none. Freight counts towards no threshold.
    """
    goods = sum(line.amount_fen for line in lines if line.category != SHIPPING)
    if goods < terms.threshold_fen:
        raise ThresholdNotMet(threshold_fen=terms.threshold_fen, short_fen=terms.threshold_fen - goods)
    kind = terms.kind
    if kind == "gift":
        touched, wanted = _gift(terms, lines)
    elif kind == SHIPPING:
        touched = [line for line in lines if line.category == SHIPPING]
        freight = sum(line.amount_fen for line in touched)
        wanted = min(terms.amount_fen, freight) if terms.amount_fen else freight
    else:
        touched = [line for line in lines if line.category != SHIPPING]
        wanted = terms.amount_fen if kind != "percent" else (goods * terms.percent_bp + FULL_BP // 2) // FULL_BP
    if terms.cap_fen is not None:
        wanted = min(wanted, terms.cap_fen)
    wanted = min(wanted, sum(line.amount_fen for line in touched))
    if wanted <= 0:
        raise CouponNotApplicable()
    shares = split(wanted, [line.amount_fen for line in touched])
    return Quote(wanted, tuple((line.line_no, fen) for line, fen in zip(touched, shares, strict=True) if fen))


def _gift(terms: Terms, lines: Sequence[Line]) -> tuple[list[Line], int]:
    """The line that holds the dearest gift, and the price of one unit of it."""
    gifts = [line for line in lines if line.sku in terms.gift_skus and line.quantity > 0]
    if not gifts:
        raise CouponNotApplicable(gift_skus=sorted(terms.gift_skus))
    dearest = max(gifts, key=lambda line: (line.amount_fen // line.quantity, -line.line_no))
    return [dearest], dearest.amount_fen // dearest.quantity


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to `weights` by largest remainder: whole fen that sum to `total` exactly.

    With total <= sum(weights) no share is larger than its weight. Ties go to the earlier line.
    """
    whole = sum(weights)
    if whole <= 0:
        if total:
            raise ValueError("nothing to split over")
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    missing = total - sum(shares)
    if missing:
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
        for i in by_remainder[:missing]:
            shares[i] += 1
    return shares


class Cost(NamedTuple):
    """Who pays a discount, in fen."""

    hq_fen: int
    dealer_fen: int
    supplier_fen: int


def cost_share(discount_fen: int, hq_bp: int, *, dealer: bool, supplier_bp: int = 0) -> Cost:
    """Who pays the discount, by largest remainder: three parts that sum to it.

    The supplier pays `supplier_bp` of it, of the rest headquarters pay `hq_bp` and the dealer what is left; without a
    dealer headquarters pay all of the rest.
    """
    ours, own_bp = FULL_BP - supplier_bp, hq_bp if dealer else FULL_BP
    return Cost(*split(discount_fen, [ours * own_bp, ours * (FULL_BP - own_bp), supplier_bp * FULL_BP]))


def window(terms: Terms, at: datetime) -> tuple[datetime, datetime] | None:
    """When a coupon taken at `at` may be used, [from, to); None when that is never.

    Days are local days of the terms' time zone and end at midnight.
    """
    start, end = at, terms.ends_at
    zone = ZoneInfo(terms.timezone)
    first_day = at.astimezone(zone).date() + timedelta(days=terms.wait_days)
    if terms.wait_days:
        start = datetime.combine(first_day, time(), zone)
    if terms.valid_days is not None:
        last = datetime.combine(first_day + timedelta(days=terms.valid_days), time(), zone)
        end = last if end is None else min(end, last)
    if terms.starts_at is not None:
        start = max(start, terms.starts_at)
    if end is None or start >= end or at >= end:
        return None
    return start.astimezone(at.tzinfo), end.astimezone(at.tzinfo)


def check_usable(
    *,
    status: str,
    valid_from: datetime,
    valid_to: datetime,
    locked_order: str | None,
    locked_until: datetime | None,
    order_no: str,
    at: datetime,
) -> None:
    """Raise the reason why a coupon in this state cannot be used for an order at `at`."""
    if status == "redeemed":
        raise CouponRedeemed()
    if status == "voided":
        raise CouponVoided()
    if status == "expired" or at >= valid_to:
        raise CouponExpired(valid_to=valid_to.isoformat())
    if status == "locked" and locked_order != order_no and (locked_until is None or locked_until > at):
        raise CouponLocked()
    if at < valid_from:
        raise CouponNotYetValid(valid_from=valid_from.isoformat())
