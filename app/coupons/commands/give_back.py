"""Give back what a redemption took off: all of it when the till cancels it, line by line when goods come back.

A refund gives back a line's share of the discount in whole fen, so that all refunds of a line sum to its share. When
everything has come back the redemption is over: the coupon can be used again, if its terms say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, text

from app.core import clock, context, outbox
from app.core.db import session
from app.core.locks import lock_rows
from app.members import family

from .. import queries, rules
from ..errors import RedemptionReturned, RedemptionUnknown, RefundChanged, RefundTooLarge
from ..events import Refunded, Returned
from ..models import Coupon, Redemption, RedemptionLine, RedemptionRefund
from .parts import note

_LESS_ON_ORDER = text("""
UPDATE order_discount
SET discount_fen = discount_fen - :fen,
    groups = CASE WHEN :over THEN (
        SELECT coalesce(array_agg(g ORDER BY n), '{}') FROM unnest(groups) WITH ORDINALITY AS x (g, n)
        WHERE n <> coalesce(array_position(groups, :stack_group), 0)
    ) ELSE groups END
WHERE brand_id = :brand_id AND order_no = :order_no AND source = :counter AND store_id = :store_id
""")
_LESS_SPENT = text("UPDATE campaign_budget SET spent_fen = spent_fen - :fen WHERE campaign_id = :campaign_id")


class LineBack(NamedTuple):
    """What went back with one line of a refund, in fen."""

    line_no: int
    quantity: int
    fen: int


class RefundDone(NamedTuple):
    """What a refund gave back of a redemption's discount, and whether that ended it."""

    redemption: Redemption
    lines: list[LineBack]
    fen: int


def give_back(*, brand_id: int, redemption_id: int, cause: str = "cancel") -> Redemption:
    """Undo a live redemption in the open transaction; RedemptionUnknown, RedemptionReturned.

    The coupon may be used again while it is valid, unless its member was forgotten. Lines and amounts stay as they
    were; `returned_at` says that they no longer count.
    """
    row = _locked(brand_id, redemption_id)
    if row.returned_at is not None:
        raise RedemptionReturned()
    _end(row, *_coupon(row), cause=cause, again=True, fen=row.discount_fen - row.refunded_fen)
    return row


def refund(*, brand_id: int, redemption_id: int, refund_no: str, lines: Sequence[tuple[int, int]]) -> RefundDone:
    """Give back the shares of lines (line_no, quantity) that are refunded, in the open transaction, once per refund_no.

    Lines the coupon took nothing off are passed over. The same refund again gets the same answer, with other lines
    RefundChanged. Raises RefundTooLarge, RedemptionUnknown, RedemptionReturned.
    """
    row = _locked(brand_id, redemption_id)
    there = _lines(row)
    wanted = {line_no: quantity for line_no, quantity in lines if line_no in there}
    if told := _told(row, refund_no):
        if {one.line_no: one.quantity for one in told} != wanted:
            raise RefundChanged()
        return RefundDone(row, [LineBack(one.line_no, one.quantity, one.fen) for one in told], sum(o.fen for o in told))
    if row.returned_at is not None:
        raise RedemptionReturned()
    for line_no, quantity in wanted.items():  # all of them, before any is changed
        _check(there[line_no], quantity)
    return _refund(row, there, refund_no, wanted)


class OrderNow(NamedTuple):
    """An order's lines by number: how many were bought and what was taken off them in fen, and how many have gone back
    until now. `over`: it is refunded whole, or all of its goods are back.
    """

    bought: Mapping[int, tuple[int, int]]
    gone: Mapping[int, int]
    over: bool

    def has(self, line: RedemptionLine) -> bool:
        """Whether the order tells a line as its coupon saw it: as many, and what that took off."""
        quantity, discount_fen = self.bought.get(line.line_no, (0, 0))
        return quantity == line.quantity and discount_fen >= line.discount_fen


def follow(*, brand_id: int, redemption_id: int, refund_no: str, order: OrderNow) -> int:
    """Give back the shares of goods that have gone back from the order, in the open transaction; how much, in fen. What
    was given back before, under whatever number, is not given back again.

    Where the coupon was used on other lines than those of the order (a cash desk may know its sum only), it comes back
    when the whole order has.
    """
    row = _locked(brand_id, redemption_id)
    if row.returned_at is not None:
        return 0
    there = _lines(row)
    gone: Mapping[int, int] = order.gone if all(order.has(line) for line in there.values()) else {}
    if order.over:  # also when it was told as a sum of money, without quantities
        gone = {no: line.quantity for no, line in there.items()}
    missing = {no: min(gone.get(no, 0), line.quantity) - line.refunded_quantity for no, line in there.items()}
    wanted = {no: quantity for no, quantity in missing.items() if quantity > 0}
    if not wanted:
        return 0
    if _told(row, refund_no):  # the till told a part of it
        refund_no = f"{refund_no}+{sum(line.refunded_quantity for line in there.values())}"
    return _refund(row, there, refund_no, wanted).fen


def _refund(
    row: Redemption, there: Mapping[int, RedemptionLine], refund_no: str, wanted: Mapping[int, int]
) -> RefundDone:
    moment, done = clock.now(), []
    left = _left_by_payer(row)
    for line_no, quantity in sorted(wanted.items()):
        line = there[line_no]
        fen = _take_back(line, quantity)
        costs = rules.split(fen, left)
        left = [has - part for has, part in zip(left, costs, strict=True)]
        session.add(_entry(row, refund_no, line_no, quantity, costs, moment))
        done.append(LineBack(line_no, quantity, fen))
    fen = sum(one.fen for one in done)
    row.refunded_fen += fen
    session.flush()
    coupon, terms = _coupon(row)
    if all(line.refunded_quantity == line.quantity for line in there.values()):
        _end(row, coupon, terms, cause="refund", again=terms.returns == "full", fen=fen)
    elif fen:
        _less(row, coupon.campaign_id, fen, over=False)
    if done:
        outbox.emit(
            Refunded(
                brand_id=row.brand_id,
                member_id=row.member_id,
                coupon_id=row.coupon_id,
                redemption_id=row.redemption_id,
                refund_no=refund_no,
                order_no=row.order_no,
                store_id=row.store_id,
                fen=fen,
            )
        )
    return RefundDone(row, done, fen)


def _locked(brand_id: int, redemption_id: int) -> Redemption:
    """The redemption, held until the transaction ends: refunds of it come one after the other. Its member is held
    before it, as merging and forgetting members hold them.
    """
    for _ in range(2):  # a merge of members may move it between the two statements; then it is looked up where it is
        found = queries.redemption(brand_id, redemption_id)
        key = (brand_id, family.keep(brand_id=brand_id, member_id=found.member_id), redemption_id)
        rows: dict[tuple[int, ...], Redemption] = lock_rows(Redemption, [key])
        if key in rows:
            return rows[key]
        session.expunge(found)
    raise RedemptionUnknown()


def _lines(row: Redemption) -> dict[int, RedemptionLine]:
    rows = session.scalars(
        select(RedemptionLine)
        .where(
            RedemptionLine.brand_id == row.brand_id,
            RedemptionLine.member_id == row.member_id,
            RedemptionLine.redemption_id == row.redemption_id,
        )
        .execution_options(populate_existing=True)
    )
    return {line.line_no: line for line in rows}


def _told(row: Redemption, refund_no: str) -> Sequence[RedemptionRefund]:
    return session.scalars(
        select(RedemptionRefund)
        .where(
            RedemptionRefund.brand_id == row.brand_id,
            RedemptionRefund.member_id == row.member_id,
            RedemptionRefund.redemption_id == row.redemption_id,
            RedemptionRefund.refund_no == refund_no,
        )
        .order_by(RedemptionRefund.line_no)
    ).all()


def _left_by_payer(row: Redemption) -> list[int]:
    """What headquarters, dealer and supplier pay of the discount that was not given back yet."""
    back = session.execute(
        select(
            func.coalesce(func.sum(RedemptionRefund.hq_fen), 0),
            func.coalesce(func.sum(RedemptionRefund.dealer_fen), 0),
            func.coalesce(func.sum(RedemptionRefund.supplier_fen), 0),
        ).where(
            RedemptionRefund.brand_id == row.brand_id,
            RedemptionRefund.member_id == row.member_id,
            RedemptionRefund.redemption_id == row.redemption_id,
        )
    ).one()
    paid = (row.hq_fen, row.dealer_fen, row.supplier_fen)
    return [fen - int(gone) for fen, gone in zip(paid, back, strict=True)]


def _check(line: RedemptionLine, quantity: int) -> None:
    left = line.quantity - line.refunded_quantity
    if not 1 <= quantity <= left:
        raise RefundTooLarge(line_no=line.line_no, left=left)


def _take_back(line: RedemptionLine, quantity: int) -> int:
    """Count a quantity of a line as refunded; its share of the line's discount."""
    until = line.refunded_quantity + quantity
    fen = rules.part(line.discount_fen, until, line.quantity) - line.refunded_fen
    line.refunded_quantity, line.refunded_fen = until, line.refunded_fen + fen
    return fen


def _entry(
    row: Redemption, refund_no: str, line_no: int, quantity: int, costs: Sequence[int], moment: datetime
) -> RedemptionRefund:
    hq, dealer, supplier = costs
    return RedemptionRefund(
        brand_id=row.brand_id,
        member_id=row.member_id,
        redemption_id=row.redemption_id,
        refund_no=refund_no,
        line_no=line_no,
        quantity=quantity,
        fen=sum(costs),
        hq_fen=hq,
        dealer_fen=dealer,
        supplier_fen=supplier,
        at=moment,
        correlation_id=context.correlation_id(),
    )


def _coupon(row: Redemption) -> tuple[Coupon, rules.Terms]:
    """The redemption's coupon, held, and what it promised."""
    key = (row.brand_id, row.member_id, row.coupon_id)
    coupon: Coupon = lock_rows(Coupon, [key])[key]
    return coupon, queries.version_terms(row.brand_id, coupon.campaign_id, coupon.version)


def _end(row: Redemption, coupon: Coupon, terms: rules.Terms, *, cause: str, again: bool, fen: int) -> None:
    """The redemption is over, `fen` less is taken off; its coupon can be used again, or is gone (`again` False)."""
    moment = clock.now()
    row.returned_at = moment
    again = again and not family.erased(row.brand_id, row.member_id)
    coupon.status = "returned" if again else "voided"
    if again:
        coupon.valid_to = rules.returned_until(terms, coupon.valid_to, moment)
    session.flush()
    note(
        [(row.brand_id, row.member_id, row.coupon_id, "redeemed")],
        to=coupon.status,
        cause=cause,
        order_no=row.order_no,
        store_id=row.store_id,
    )
    _less(row, coupon.campaign_id, fen, over=True)
    outbox.emit(
        Returned(
            brand_id=row.brand_id,
            member_id=row.member_id,
            coupon_id=row.coupon_id,
            campaign_id=coupon.campaign_id,
            redemption_id=row.redemption_id,
            order_no=row.order_no,
            store_id=row.store_id,
            discount_fen=row.discount_fen,
        )
    )


def _less(row: Redemption, campaign_id: int, fen: int, *, over: bool) -> None:
    """Take off the order, and give the campaign's budget, what no longer counts. These rows come last: many wait."""
    session.execute(
        _LESS_ON_ORDER,
        {
            "brand_id": row.brand_id,
            "order_no": row.order_no,
            "counter": rules.counter_of(row.source),
            "store_id": row.store_id,
            "stack_group": row.stack_group,
            "fen": fen,
            "over": over,
        },
    )
    session.execute(_LESS_SPENT, {"campaign_id": campaign_id, "fen": fen})
