"""Both sides of a coupon compared: what is to be told or done next. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from ..rules import FULL_BP, OPEN_STATUSES, Terms

SOURCE = "channel"  # of redemptions that follow a use in a channel
LOCAL, PRODUCT, MERCHANT = "local", "wechat_product", "wechat_merchant"
CHANNELS = (LOCAL, PRODUCT)
# 商家券: WeChat Pay takes no new merchants since 2025-12-15.
CLOSED = frozenset({MERCHANT})

# A twin: wanted (not asked for yet) -> confirming -> pending or effective -> used -> effective again, when given back;
# ended there: expired, deleted (by the user), deactivated; never there: refused (by the channel), dropped (by us).
STATES = (
    "wanted",
    "confirming",
    "pending",
    "effective",
    "used",
    "expired",
    "deleted",
    "deactivated",
    "refused",
    "dropped",
)
GOOD = ("pending", "effective")
ENDED = ("expired", "deleted", "deactivated", "refused", "dropped")
LIVING = tuple(state for state in STATES if state not in ENDED)

# A binding: its stock is being asked for, looked at by the channel, giving out; or not any more.
BINDING_STATES = ("creating", "auditing", "sending", "paused", "stopped", "deactivated", "refused", "unbound")
ISSUING = ("sending",)

_NUMBER = re.compile(r"[0-9]{1,19}")

# Facts of the same second are ordered by what can only follow what.
SENT, CONFIRMED, USED, RETURNED, OVER = 10, 20, 30, 40, 50

CONFLICTS = (
    "used_twice",  # used at our till, and there for something else
    "used_after_end",  # used there after ours had ended or was withdrawn
    "used_not_redeemable",  # used there, and our rules refuse to redeem ours for it
    "returned_outside",  # used at our till, given back there
    "withdrawn_outside",  # withdrawn there, still good here
    "refused_confirm",
    "refused_use",
    "refused_return",
    "refused_deactivate",
)


class Fact(NamedTuple):
    """What a channel says of a coupon. `at`: when that became so, aware UTC; `rank` orders facts of one second.

    use_ref: under which request number it is used, or was last; order_no: for which order there, where that is told.
    send_no: under which request number it was asked for; None for one that a user took.
    """

    state: str
    at: datetime
    rank: int
    external_code: str | None = None
    use_ref: str | None = None
    order_no: str | None = None
    send_no: str | None = None


class Used(NamedTuple):
    """One of a coupon's redemptions on our side. `live`: not given back; `source`: who redeemed, SOURCE for a use that
    came from the channel.
    """

    redemption_id: int
    order_no: str
    at: datetime
    live: bool
    source: str


class Side(NamedTuple):
    """The twin as we know it. `asked`: a coupon was asked for, and perhaps made without our hearing of it. `adopted`:
    the redemption that was made of ours for the use `adopted_ref` there; None when ours was withdrawn for it.
    """

    state: str
    asked: bool
    use_ref: str | None
    adopted: int | None
    adopted_ref: str | None


@dataclass(frozen=True)
class Step:
    """`kind`: send, confirm, use, return, deactivate (tell the channel); look (ask it); adopt (redeem ours for a use
    there), take_back (give that redemption back); drop; conflict (`about` says which).
    """

    kind: str
    redemption: Used | None = None
    about: str = ""
    ref: str = ""


def use_ref(redemption_id: int) -> str:
    """The request number under which we tell a redemption, which says whose a use is."""
    return f"use-{redemption_id}"


def request_no(kind: str, coupon_id: int, redemption: Used | None) -> str:
    """The number that makes a step happen once: of the coupon, or of the redemption it tells."""
    if kind == "use":
        assert redemption is not None
        return use_ref(redemption.redemption_id)
    return f"{kind}-{redemption.redemption_id if redemption is not None else coupon_id}"


def coupon_of(send_no: str) -> int | None:
    """The coupon that a request number of ours asked for; None for a number that is not ours."""
    number = send_no.removeprefix("send-")
    if number == send_no or not _NUMBER.fullmatch(number) or int(number) >= 1 << 63:
        return None
    return int(number)


def next_step(status: str, side: Side, uses: Collection[Used]) -> Step | None:
    """What to do about a coupon of this status with this twin and these redemptions; None when both sides agree."""
    live = next((one for one in uses if one.live), None)
    match side.state:
        case "wanted":
            # What was asked for may be there: asking again answers it, and then it can be ended.
            return Step("send") if status in OPEN_STATUSES or side.asked else Step("drop")
        case "confirming":
            return Step("confirm") if status in OPEN_STATUSES or live is not None else Step("deactivate")
        case "pending" | "effective":
            return _good_there(status, side, live)
        case "used":
            return _used_there(status, side, live, uses)
        case "deactivated" if status in OPEN_STATUSES:
            return _conflict("withdrawn_outside", "deactivated")
        case _:
            return None


def _good_there(status: str, side: Side, live: Used | None) -> Step | None:
    if live is not None:
        if live.redemption_id == side.adopted:
            return Step("take_back", live)
        if side.use_ref == use_ref(live.redemption_id):
            return _conflict("returned_outside", use_ref(live.redemption_id), live)
        return Step("use", live)
    return Step("deactivate") if status == "voided" else None


def _used_there(status: str, side: Side, live: Used | None, uses: Collection[Used]) -> Step | None:
    ref = side.use_ref
    if ref is None:
        return Step("look")
    # The redemption of ours that the channel's use stands for: one we told, or one we made because of it.
    same = next(
        (one for one in uses if ref == use_ref(one.redemption_id) or _adopted(side, one, ref)),
        None,
    )
    if same is not None:
        if same.live:
            return None
        # Given back on our side; a new redemption can be told once the channel has heard of that.
        return Step("return", same) if live is not None or status in OPEN_STATUSES else None
    if live is None:
        if status in OPEN_STATUSES:
            return Step("adopt", ref=ref)
        return None if ref == side.adopted_ref else _conflict("used_after_end", ref)
    # Made for this use by somebody who was stopped before writing that down: making it again finds it.
    if live.source == SOURCE and live.redemption_id != side.adopted:
        return Step("adopt", live, ref=ref)
    return _conflict("used_twice", ref, live)


def _adopted(side: Side, one: Used, ref: str) -> bool:
    return one.redemption_id == side.adopted and ref == side.adopted_ref


def _conflict(about: str, ref: str, live: Used | None = None) -> Step:
    return Step("conflict", live, about=about, ref=ref)


# A wallet there would promise the coupon everywhere, always, on everything, and to whoever took it.
_NARROWING = (
    "store_ids",
    "dealer_ids",
    "region_ids",
    "except_store_ids",
    "skus",
    "categories",
    "except_skus",
    "except_categories",
    "weekdays",
    "hours",
    "only_days",
    "except_days",
    "transferable",
)


def unfit(terms: Terms, kinds: Collection[str]) -> list[str]:
    """Which of the terms a channel for coupons of these kinds cannot show; empty when it can."""
    found = [] if terms.kind in kinds else ["kind"]
    if terms.kind == "percent":
        if terms.percent_bp % 100 or terms.percent_bp >= FULL_BP:
            found.append("percent_bp")
        if terms.cap_fen is not None:
            found.append("cap_fen")
    plain = {one.name: one.default for one in fields(Terms)}
    return found + [name for name in _NARROWING if getattr(terms, name) != plain[name]]


def nominal(terms: Terms) -> int | None:
    """What an order must cost so that a coupon takes off all it promises, in fen; None where that cannot be known."""
    return max(terms.amount_fen, terms.threshold_fen) if terms.kind in ("amount", "threshold") else None
