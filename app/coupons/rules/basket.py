"""What coupons take off a basket: pure functions on terms and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import CouponNotApplicable, CouponNotStackable, ThresholdNotMet
from .shares import split
from .terms import FULL_BP, SHIPPING, Terms

# In what order the coupons of one order take off: what fixes a line's price first, then fixed sums, then shares of what
# is left, freight last. Within a kind the one that ends first, then the older coupon.
ORDER = ("gift", "threshold", "amount", "percent", "shipping")


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


def quote(terms: Terms, lines: Sequence[Line], *, whole: Sequence[Line] | None = None) -> Quote:
    """The discount of an order, never more than it costs.

    `whole`: the lines as they were before other coupons, which is what a threshold asks for. Raises ThresholdNotMet or
    CouponNotApplicable when there is no discount. Freight counts towards no threshold.
    """
    goods = [line for line in lines if _in_scope(terms, line)]
    before = sum(line.amount_fen for line in (whole or lines) if _in_scope(terms, line))
    if before < terms.threshold_fen:
        raise ThresholdNotMet(threshold_fen=terms.threshold_fen, short_fen=terms.threshold_fen - before)
    if terms.kind == "gift":
        touched, wanted = _gift(terms, goods, whole or lines)
    elif terms.kind == SHIPPING:
        touched = [line for line in lines if line.category == SHIPPING]
        freight = sum(line.amount_fen for line in touched)
        wanted = min(terms.amount_fen, freight) if terms.amount_fen else freight
    else:
        touched, wanted = goods, terms.amount_fen
        if terms.kind == "percent":
            wanted = (sum(line.amount_fen for line in goods) * terms.percent_bp + FULL_BP // 2) // FULL_BP
    if terms.cap_fen is not None:
        wanted = min(wanted, terms.cap_fen)
    wanted = min(wanted, sum(line.amount_fen for line in touched))
    if wanted <= 0:
        raise CouponNotApplicable()
    shares = split(wanted, [line.amount_fen for line in touched])
    return Quote(wanted, tuple((line.line_no, fen) for line, fen in zip(touched, shares, strict=True) if fen))


def _in_scope(terms: Terms, line: Line) -> bool:
    """Whether a line is among the goods the terms speak of."""
    if line.category == SHIPPING or line.sku in terms.except_skus or line.category in terms.except_categories:
        return False
    if terms.skus is None and terms.categories is None:
        return True
    return line.sku in (terms.skus or ()) or line.category in (terms.categories or ())


def _gift(terms: Terms, goods: Sequence[Line], whole: Sequence[Line]) -> tuple[list[Line], int]:
    """The line that holds the dearest gift, and the price of one unit of it: of the whole line, so that the second of
    two gifts on a line takes as much as it would on a line of its own; at most what the line still costs.
    """
    gifts = [line for line in goods if line.sku in terms.gift_skus and line.quantity > 0]
    if not gifts:
        raise CouponNotApplicable(gift_skus=sorted(terms.gift_skus))
    unit = {line.line_no: line.amount_fen // line.quantity for line in whole if line.quantity > 0}
    price, _, dearest = max((min(unit[line.line_no], line.amount_fen), -line.line_no, line) for line in gifts)
    return [dearest], price


def after(lines: Sequence[Line], taken: Quote) -> list[Line]:
    """What the lines still cost once a coupon has taken its part."""
    return less(lines, dict(taken.lines))


def less(lines: Sequence[Line], off: Mapping[int, int]) -> list[Line]:
    """What lines cost without what is taken off each, by its number."""
    return [
        line._replace(amount_fen=max(line.amount_fen - off[line.line_no], 0)) if line.line_no in off else line
        for line in lines
    ]


def may_join(terms: Terms, others: Sequence[str]) -> bool:
    """Whether a coupon may join an order on which coupons of these groups are."""
    return not others or bool(terms.stack_group) and "" not in others and terms.stack_group not in others


def check_stack(terms: Terms, others: Sequence[str]) -> None:
    """Raise CouponNotStackable when a coupon may not join an order on which coupons of these groups are."""
    if not may_join(terms, others):
        raise CouponNotStackable(group=terms.stack_group)
