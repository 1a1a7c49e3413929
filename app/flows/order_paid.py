"""An order was paid: record it, let the member earn, move the member up. One transaction, a dozen statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core import clock
from app.coupons.queries.orders import redemption_shares
from app.members import family
from app.points import commands as points
from app.points import queries as points_queries
from app.points.models import GROWTH, POINTS
from app.points.rules import Rule, order_cause
from app.sales import commands as sales
from app.sales.errors import OrderMismatch
from app.sales.queries import is_known
from app.sales.rules import OrderData, check, check_discounts
from app.tiers import commands as tiers
from app.tiers import queries as tiers_queries
from app.tiers.rules import Step

from .coupon_orders import alone


@dataclass(frozen=True, kw_only=True)
class Paid:
    """What a till prints. `points` and `growth` are what this order earned; `new` is False for a repeated upload.

    A walk-in order has no member and earns nothing.
    """

    order_id: int
    member_id: int | None
    new: bool
    points: int = 0
    growth: int = 0
    points_balance: int = 0
    tier: Step | None = None
    upgraded: bool = False


def order_paid(
    *,
    brand_id: int,
    member_id: int | None,
    order: OrderData,
    redemptions: Sequence[int] = (),
    totals: Mapping[str, int] | None = None,
) -> Paid:
    """Take in one order, once per (source, order_no); the same upload again gets the same answer.

    `redemptions` are the coupons used on it; their member is the order's when the till names none. `totals` are sums
    the source stated. Raises OrderMismatch when something does not add up, OrderChanged for other content.
    """
    check(order, now=clock.now(), totals=totals)
    if order.discount_fen:  # else no coupon stands on it
        alone(brand_id, order.store_id, order.order_no)
    if redemptions:
        member_id = _check_redemptions(brand_id, member_id, order, redemptions)
    recorded = sales.record_order(brand_id=brand_id, member_id=member_id, order=order)
    if member_id is None:
        return Paid(order_id=recorded.order_id, member_id=None, new=recorded.new)
    # Who was merged into another a moment ago has bought as that other.
    member_id = recorded.member_id if recorded.new else family.living_id(brand_id, member_id)
    rule = points_queries.rule(brand_id)
    if recorded.new and rule is not None:
        return _earn(brand_id, member_id, recorded.order_id, order, rule)
    return _earned_before(brand_id, member_id, recorded)


def _earn(brand_id: int, member_id: int, order_id: int, order: OrderData, rule: Rule) -> Paid:
    """Growth first: it locks the member's growth row, under which the tier is read, its rate applied, and raised."""
    now, cause, at = clock.now(), order_cause(order_id), order.paid_at
    growth = rule.growth(order.paid_fen)
    points.earn(brand_id=brand_id, member_id=member_id, currency=GROWTH, amount=growth, cause=cause, at=at)
    standing = tiers_queries.standing(brand_id, member_id)
    gained = rule.points(order.paid_fen, standing.points_rate_bp)
    balance = points.earn(
        brand_id=brand_id,
        member_id=member_id,
        currency=POINTS,
        amount=gained,
        cause=cause,
        at=at,
        expires_at=rule.end(at),
    )
    window = points_queries.growth_since(brand_id, member_id, standing.window_start(now))
    raised = tiers.evaluate(brand_id=brand_id, member_id=member_id, growth=window, at=now, known=standing)
    return Paid(
        order_id=order_id,
        member_id=member_id,
        new=True,
        points=gained,
        growth=growth,
        points_balance=balance or 0,
        tier=raised or standing.current,
        upgraded=raised is not None,
    )


def _earned_before(brand_id: int, member_id: int, recorded: sales.Recorded) -> Paid:
    gained = points_queries.earned_by_order(brand_id, member_id, recorded.order_id)
    return Paid(
        order_id=recorded.order_id,
        member_id=member_id,
        new=recorded.new,
        points=gained[POINTS],
        growth=gained[GROWTH],
        points_balance=points_queries.balances(brand_id, member_id)[POINTS],
        tier=tiers_queries.standing(brand_id, member_id).current,
    )


def _check_redemptions(brand_id: int, member_id: int | None, order: OrderData, redemptions: Sequence[int]) -> int:
    """Each redemption is live, of this order, of one member, and its discount stands on the order's lines. Those of an
    order that is told again may have been refunded since.
    """
    if member_id is None and (told := redemption_shares(brand_id, redemptions)):
        member_id = told[0].member_id
    if member_id is not None:
        member_id = family.keep(brand_id=brand_id, member_id=member_id)
    shares = redemption_shares(brand_id, redemptions)
    known = {share.redemption_id for share in shares}
    off: dict[int, int] = {}
    for index, redemption_id in enumerate(redemptions):
        if redemption_id not in known:
            raise OrderMismatch("There is no such redemption.", field=f"redemptions[{index}]")
    for share in shares:
        field = f"redemptions[{list(redemptions).index(share.redemption_id)}]"
        here = (share.store_id, share.order_no) == (order.store_id, order.order_no) and share.is_of(order.channel)
        if not here or share.returned_at is not None and not is_known(brand_id, order.source, order.order_no):
            raise OrderMismatch("The redemption does not belong to this order.", field=field)
        if share.member_id != member_id:
            raise OrderMismatch("The coupon is another member's.", field=field)
        off[share.line_no] = off.get(share.line_no, 0) + share.discount_fen
    check_discounts(order, off)
    assert member_id is not None
    return member_id
