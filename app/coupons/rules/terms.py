"""What a campaign promises. Money in fen, shares in basis points, days and hours local to the terms' time zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

KINDS = ("amount", "threshold", "percent", "gift", "shipping")
STATUSES = ("claimed", "locked", "redeemed", "returned", "expired", "voided")
OPEN_STATUSES = ("claimed", "locked", "returned")
SOURCES = (
    "self", "sop", "tier", "push", "admin", "guide", "welcome", "birthday", "order", "referral", "redeem_code",
    "friend",
)  # fmt: skip
CHANNELS = ("till", "desk", "mall")  # an integrated till, the cash-desk page, the mini-program's or another mall
RETURNS = ("never", "full")
PERIODS = ("day", "week", "month")
FULL_BP = 10_000
SHIPPING = "shipping"  # the category of a basket line that is freight
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)  # can be told in every time zone
_HOUR = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is promised; a coupon keeps the terms of the version it was issued under.

    What it takes off. amount_fen: the discount of amount and threshold coupons, the most that a shipping coupon pays
    (0: all of it). percent_bp: the share taken off (2000 = 20 % off), at most cap_fen. gift_skus: one unit of one of
    these is free. threshold_fen: the goods in scope must amount to this before any coupon.

    On what. skus and categories: a line is in scope when either names it (both None: every line), unless except_skus or
    except_categories name it. Freight is in scope of shipping coupons only.

    When. Valid within [starts_at, ends_at) and, when valid_days is set, for that many local days, the first of them
    wait_days after the claim. Within that time it can be used on weekdays (ISO: 1 is Monday), in hours (("10:00",
    "14:00"), ...), on only_days and not on except_days.

    Where. store_ids, dealer_ids, region_ids: a store is in scope when one of them names it (all None: every store),
    unless except_store_ids names it. channels: see CHANNELS, None: all.

    With what. stack_group: coupons of one group exclude each other in an order; "" goes with no other coupon at all.

    How many. per_member in all, per_day, per_week (from Monday) and per_month at most, by local days.

    Back. returns: after a full refund the coupon comes back, or never; what comes back is good for at least grace_days
    from then.

    Who pays. supplier_bp: the share of `supplier`; of the rest hq_bp is what headquarters pay in a dealer's store.
    """

    kind: str
    per_member: int = 1
    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    amount_fen: int = 0
    threshold_fen: int = 0
    percent_bp: int = 0
    cap_fen: int | None = None
    gift_skus: frozenset[str] = frozenset()
    skus: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    except_skus: frozenset[str] = frozenset()
    except_categories: frozenset[str] = frozenset()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    wait_days: int = 0
    valid_days: int | None = None
    weekdays: frozenset[int] | None = None
    hours: tuple[tuple[str, str], ...] = ()
    only_days: frozenset[date] | None = None
    except_days: frozenset[date] = frozenset()
    store_ids: frozenset[int] | None = None
    dealer_ids: frozenset[int] | None = None
    region_ids: frozenset[int] | None = None
    except_store_ids: frozenset[int] = frozenset()
    channels: frozenset[str] | None = None
    stack_group: str = ""
    returns: str = "full"
    grace_days: int = 0
    transferable: bool = False
    supplier: str = ""
    supplier_bp: int = 0
    hq_bp: int = FULL_BP
    timezone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError(f"coupon terms: {', '.join(problems)}")

    def _problems(self) -> Iterable[str]:
        """The fields whose values make no sense."""
        wrong = {
            "kind": self.kind not in KINDS,
            "per_member": self.per_member < 1,
            "amount_fen": self.kind in ("amount", "threshold") and self.amount_fen < 1,
            "threshold_fen": self.kind == "threshold" and self.threshold_fen < 1,
            "percent_bp": self.kind == "percent" and not 0 < self.percent_bp <= FULL_BP,
            "gift_skus": self.kind == "gift" and not self.gift_skus,
            "amount_fen, threshold_fen, wait_days": min(self.amount_fen, self.threshold_fen, self.wait_days) < 0,
            "cap_fen": self.cap_fen is not None and self.cap_fen < 1,
            "hq_bp": not 0 <= self.hq_bp <= FULL_BP,
            "supplier_bp": not 0 <= self.supplier_bp <= FULL_BP or bool(self.supplier_bp) != bool(self.supplier),
            "valid_days": self.valid_days is not None and self.valid_days < 1,
            "ends_at or valid_days": self.valid_days is None and self.ends_at is None,
            "starts_at": self.starts_at is not None and self.starts_at != _start(self.starts_at),
            "ends_at": self.ends_at is not None
            and self.ends_at != _end(self.ends_at)
            or None not in (self.starts_at, self.ends_at) and self.starts_at >= self.ends_at,  # type: ignore[operator]
            "weekdays": self.weekdays is not None and (not self.weekdays or not self.weekdays <= set(range(1, 8))),
            "hours": any(not _HOUR.fullmatch(one) for span in self.hours for one in span)
            or any(start >= end for start, end in self.hours),
            "only_days": self.only_days is not None and not self.only_days,
            "channels": self.channels is not None and (not self.channels or not self.channels <= set(CHANNELS)),
            "returns": self.returns not in RETURNS,
            "grace_days": self.grace_days < 0,
        }
        wrong |= {f"per_{one}": (most := getattr(self, f"per_{one}")) is not None and most < 1 for one in PERIODS}
        return (name for name, bad in wrong.items() if bad)

    def over(self, at: datetime) -> bool:
        """Whether no coupon can be had under them any more."""
        return self.ends_at is not None and at >= self.ends_at

    def most_fen(self) -> int | None:
        """The most that one coupon can take off; None when only the order says."""
        if self.kind in ("amount", "threshold") or (self.kind == "shipping" and self.amount_fen):
            return self.amount_fen if self.cap_fen is None else min(self.amount_fen, self.cap_fen)
        return self.cap_fen

    def stored(self) -> dict[str, Any]:
        """The JSON kept in campaign_version."""
        return {field.name: _stored(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Terms:
        """The terms behind `stored()`; what terms written before a field was thought of do not name is its default."""
        return cls(**{name: _KINDS_OF_VALUE.get(name, _as_it_is)(value) for name, value in stored.items()})


def _stored(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(_stored(one) for one in value)
    return [list(span) for span in value] if isinstance(value, tuple) else value


def _as_it_is(value: Any) -> Any:
    return value


def _start(at: datetime) -> datetime:
    """A moment that was stored before there were bounds is read as the next one within them, and ends after starts."""
    return min(max(at, EARLIEST), LATEST - timedelta(days=1))


def _end(at: datetime) -> datetime:
    return min(max(at, EARLIEST + timedelta(days=1)), LATEST)


def _moment(bound: Callable[[datetime], datetime]) -> Callable[[str | None], datetime | None]:
    return lambda value: None if value is None else bound(datetime.fromisoformat(value))


def _set(value: Iterable[Any] | None) -> frozenset[Any] | None:
    return None if value is None else frozenset(value)


def _days(value: Iterable[str] | None) -> frozenset[date] | None:
    return None if value is None else frozenset(map(date.fromisoformat, value))


def _spans(value: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(span) for span in value)


_KINDS_OF_VALUE: dict[str, Any] = {
    "starts_at": _moment(_start),
    "ends_at": _moment(_end),
    **dict.fromkeys(("only_days", "except_days"), _days),
    "hours": _spans,
    **dict.fromkeys(
        (
            "gift_skus",
            "skus",
            "categories",
            "except_skus",
            "except_categories",
            "weekdays",
            "store_ids",
            "dealer_ids",
            "region_ids",
            "except_store_ids",
            "channels",
        ),
        _set,
    ),
}
