"""In what order the coupons of one order take off, and why, in words; true for rules.ORDER and rules.quote."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import SiyuError

from ..errors import CouponNotApplicable, CouponNotStackable
from ..rules import SHIPPING, Line, Terms, Turn, place_in_order, quote
from .refusals import refusal
from .terms import NO_NAMES, Names

KINDS = {"gift": "兑换券", "threshold": "满减券", "amount": "代金券", "percent": "折扣券", "shipping": "运费券"}


def why_here(
    turns: Sequence[Turn], lines: Sequence[Line], *, used: bool = False, names: Names = NO_NAMES
) -> dict[int, str]:
    """By coupon: as which it takes off and why there, or why it takes off nothing beside those before it.

    第1张：兑换券先抵扣，抵一件礼品; 第2张：满减券在兑换券之后抵扣，门槛按用券前的商品金额判断; 与第2张券同组，…
    `lines`: the order before any coupon. `used`: whether coupons were used on it before.
    """
    said: dict[int, str] = {}
    earlier: list[Turn] = []
    for turn in sorted(turns, key=lambda one: place_in_order(one.coupon)):
        if turn.refusal is not None:
            said[turn.coupon.coupon_id] = _not_here(turn.coupon.terms, turn.refusal, earlier, lines, used, names)
            continue
        said[turn.coupon.coupon_id] = f"第{turn.position}张：{_here(turn, earlier, used)}"
        earlier.append(turn)
    return said


def _here(turn: Turn, earlier: Sequence[Turn], used: bool) -> str:
    terms = turn.coupon.terms
    parts = [_after(turn, earlier[-1]) if earlier else _first(terms, used)]
    if terms.threshold_fen:
        parts.append("门槛按用券前的商品金额判断")
    if terms.kind == "gift":
        parts.append("抵一件礼品")
    elif terms.kind == "percent":
        parts.append("按前面抵扣后的金额打折" if earlier or used else "按用券前的金额打折")
    elif terms.kind == SHIPPING:
        parts.append("只抵运费")
    return "，".join(parts)


def _first(terms: Terms, used: bool) -> str:
    return f"{KINDS[terms.kind]}接在本单已用的券之后抵扣" if used else f"{KINDS[terms.kind]}先抵扣"


def _after(turn: Turn, last: Turn) -> str:
    name, kind = KINDS[turn.coupon.terms.kind], last.coupon.terms.kind
    if kind != turn.coupon.terms.kind:
        return f"{name}在{KINDS[kind]}之后抵扣"
    later = turn.coupon.valid_to > last.coupon.valid_to
    return f"同为{name}，到期较晚的在后" if later else f"同为{name}、同时到期，后发放的在后"


def _not_here(
    terms: Terms, error: SiyuError, earlier: Sequence[Turn], lines: Sequence[Line], used: bool, names: Names
) -> str:
    if isinstance(error, CouponNotStackable):
        return _stands_against(terms, earlier) or refusal(error, terms, names)
    if isinstance(error, CouponNotApplicable) and (earlier or used) and _alone(terms, lines):
        return "可抵扣的金额已被前面的券抵完"
    return refusal(error, terms, names)


def _stands_against(terms: Terms, earlier: Sequence[Turn]) -> str:
    """What keeps a coupon from joining those before it; "" when it is one that was used on the order before."""
    if not terms.stack_group:
        return "此券不可与其他券同用"
    for turn in earlier:
        if not turn.coupon.terms.stack_group:
            return f"第{turn.position}张券不可与其他券同用"
        if turn.coupon.terms.stack_group == terms.stack_group:
            return f"与第{turn.position}张券同组，每单限用1张"
    return ""


def _alone(terms: Terms, lines: Sequence[Line]) -> bool:
    """Whether it would take something off, were there no other coupon."""
    try:
        quote(terms, lines)
    except SiyuError:
        return False
    return True
