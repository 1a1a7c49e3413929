"""Coupons that a till took while it could not reach us, told afterwards.

What was recorded first wins. A coupon that was good when the till took it, and that nobody used since, is redeemed as
of that moment, also when its validity has ended meanwhile. One that somebody else used before, or that was not good any
more, is a conflict: the goods are gone and the discount was given, so it is charged to the store's quota for such
cases; beyond the quota it is kept as `over`, for a human. A code that is nobody's, or that never took anything off this
basket, is refused. Every receipt is kept, whatever became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, outbox
from app.core.db import session
from app.core.errors import Busy, Conflict, Retryable, SiyuError
from app.core.locks import lock_name
from app.org import queries as org

from .. import codes, queries, rules
from ..errors import CouponNotApplicable, CouponUnknown
from ..events import OfflineConflict
from ..models import OfflineReceipt
from .order import in_session
from .redeem import REDEEM_LATE, Found, Till, prepare, price_found, usable

OLDEST = timedelta(days=7)
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
CLOCKS_APART = timedelta(minutes=5)  # a till's clock may be this far from ours
_TRIES = 3

_CHARGE = text("""
UPDATE offline_quota SET used_fen = used_fen + :fen
WHERE brand_id = :brand_id AND store_id = :store_id AND month = :month AND used_fen + :fen <= limit_fen
RETURNING used_fen
""")
_MONTH = text("""
INSERT INTO offline_quota (brand_id, store_id, month, limit_fen, used_fen)
SELECT :brand_id, :store_id, :month, q.limit_fen, 0 FROM offline_quota q
WHERE q.brand_id = :brand_id AND q.store_id = :store_id AND q.month = 'every'
ON CONFLICT DO NOTHING
""")


# The row EVERY holds what each new month begins with.
_LIMIT = text("""
INSERT INTO offline_quota (brand_id, store_id, month, limit_fen, used_fen)
SELECT :brand_id, :store_id, month, :limit_fen, 0 FROM (
    SELECT 'every' AS month UNION
    SELECT max(month) FROM offline_quota WHERE brand_id = :brand_id AND store_id = :store_id AND month <> 'every'
) months WHERE month IS NOT NULL
ON CONFLICT (brand_id, store_id, month)
DO UPDATE SET limit_fen = greatest(excluded.limit_fen, offline_quota.used_fen)
""")


class ReceiptChanged(Conflict):
    code, message = "receipt_changed", "This receipt was told before, with other contents."


class Receipt(NamedTuple):
    """A coupon a till took: on which receipt of the store, for which order, when by the till's clock."""

    receipt_no: str
    code: str
    order_no: str
    lines: Sequence[rules.Line]
    taken_at: datetime
    digest: bytes


class Told(NamedTuple):
    """What became of a receipt, and whether it was told for the first time."""

    row: OfflineReceipt
    new: bool


def take_receipt(*, till: Till, receipt: Receipt) -> Told:
    """Record one receipt in the open transaction, once; what became of it. Raises ReceiptChanged; Busy, Unavailable."""
    lock_name(f"receipt:{till.brand_id}:{till.store_id}:{receipt.receipt_no}")
    known = session.get(OfflineReceipt, (till.brand_id, till.store_id, receipt.receipt_no), populate_existing=True)
    if known is not None:
        if bytes(known.content_hash) != receipt.digest:
            raise ReceiptChanged(receipt_no=receipt.receipt_no)
        return Told(known, new=False)
    return Told(_take(till, receipt), new=True)


def _take(till: Till, receipt: Receipt) -> OfflineReceipt:
    now = clock.now()
    if not now - OLDEST <= receipt.taken_at <= now + CLOCKS_APART:
        return _keep(till, receipt, "refused", "too_late" if receipt.taken_at < now else "not_yet")
    try:
        return _redeem(till, receipt, min(receipt.taken_at, now))
    except CouponUnknown as refused:
        return _keep(till, receipt, "refused", refused.code)
    except Retryable:
        raise  # that is nothing about the coupon: the till tells it again
    except SiyuError as refused:
        if (used := _used_for(till, receipt)) is not None:
            return used
        return _conflict(till, receipt, refused)


def set_offline_limit(*, brand_id: int, store_id: int, limit_fen: int) -> None:
    """How much a store's conflicts may come to in a month, from now on; never below what was used in a month."""
    session.execute(_LIMIT, {"brand_id": brand_id, "store_id": store_id, "limit_fen": limit_fen})


def _redeem(till: Till, receipt: Receipt, at: datetime) -> OfflineReceipt:
    for _ in range(_TRIES):  # the sweep, or another coupon of the order, may come by between look and write
        found, good_at = _find(till, receipt, at)
        try:
            priced = price_found(till, found, receipt.order_no, receipt.lines)
            answer, parameters = prepare(till, receipt.order_no, priced, receipt.lines, good_at)
            with session.begin_nested():
                row = in_session(REDEEM_LATE, parameters)
        except Busy:
            continue
        if row is not None:
            told = {"redemption_id": answer.redemption_id, "discount_fen": answer.discount_fen}
            return _keep(till, receipt, "redeemed", "", found, **told)
    raise Busy(retry_after=1)


def _find(till: Till, receipt: Receipt, at: datetime) -> tuple[Found, datetime]:
    """The coupon, if it was good when the till took it, and that moment; raises why it was not. What has ended since
    counts as it stood then: its validity, and another order's hold of it.
    """
    shown = codes.recognized(receipt.code, at, drift=CLOCKS_APART)
    coupon = queries.beside_order(till, shown.code, receipt.order_no)
    at = _within(coupon, at)
    over = coupon.status == "locked" and coupon.locked_until is not None and coupon.locked_until <= clock.now()
    then = coupon._replace(status="claimed") if over or coupon.status == "expired" else coupon
    holder = rules.holder(till.source, till.store_id, receipt.order_no)
    held = coupon.held_by(holder, at) or queries.was_held(till, coupon, receipt.order_no, at)
    return usable(till, then, shown, holder, at, held=held)._replace(coupon=coupon), at


def _within(coupon: queries.ShownCoupon, at: datetime) -> datetime:
    """When a till took a coupon, whose clock may say that this was a little before the coupon began, or after its
    end.
    """
    if at < coupon.valid_from <= at + CLOCKS_APART:
        return coupon.valid_from
    if at - CLOCKS_APART < coupon.valid_to <= at:
        return coupon.valid_to - timedelta.resolution
    return at


def _seen(till: Till, receipt: Receipt) -> Found:
    """The coupon behind the code that the till saw, whatever its state and the code's age are."""
    shown = codes.recognized(receipt.code, min(receipt.taken_at, clock.now()), drift=CLOCKS_APART)
    coupon = queries.by_code(till.brand_id, shown.code)
    return Found(coupon, queries.terms(till.brand_id, coupon.campaign_id, coupon.version), None)


def _used_for(till: Till, receipt: Receipt) -> OfflineReceipt | None:
    """The coupon was redeemed for this very order, and only the answer to that was lost: the receipt is of that one,
    also when the order was refunded since.
    """
    found = _seen(till, receipt)
    row = queries.used_for(till, found.coupon, receipt.order_no)
    if row is None:
        return None
    return _keep(
        till, receipt, "redeemed", "", found, redemption_id=row.redemption_id, discount_fen=row.discount_fen
    )


def _conflict(till: Till, receipt: Receipt, refused: SiyuError) -> OfflineReceipt:
    found = _seen(till, receipt)
    try:
        discount = _given(till, receipt, found)
    except SiyuError as nothing:
        return _keep(till, receipt, "refused", nothing.code, found)
    here = ZoneInfo(org.brand(till.brand_id).timezone)
    charged = _charge(till, f"{clock.now().astimezone(here):%Y-%m}", discount)
    outbox.emit(
        OfflineConflict(
            brand_id=till.brand_id,
            member_id=found.coupon.member_id,
            coupon_id=found.coupon.coupon_id,
            store_id=till.store_id,
            receipt_no=receipt.receipt_no,
            discount_fen=discount,
            over=not charged,
        )
    )
    return _keep(till, receipt, "conflict" if charged else "over", refused.code, found, discount_fen=discount)


def _given(till: Till, receipt: Receipt, found: Found) -> int:
    """What a coupon that is a conflict took off in the store: no more than what others left of the order, those that
    are redeemed and those that are conflicts too. Raises why it took off nothing.
    """
    before = queries.before(till, receipt.order_no)
    left = rules.less(receipt.lines, before.lines)
    discount = rules.quote(found.terms, left, whole=receipt.lines).discount_fen
    asked = select(func.coalesce(func.sum(OfflineReceipt.discount_fen), 0)).where(
        OfflineReceipt.brand_id == till.brand_id,
        OfflineReceipt.store_id == till.store_id,
        OfflineReceipt.order_no == receipt.order_no,
        OfflineReceipt.received_at > clock.now() - 2 * OLDEST,  # an order's receipts come within this
        OfflineReceipt.outcome.in_(("conflict", "over")),
    )
    still = sum(line.amount_fen for line in left) - int(session.scalar(asked) or 0)
    if still <= 0:
        raise CouponNotApplicable()
    return min(discount, still)


def _charge(till: Till, month: str, fen: int) -> bool:
    asked = {"brand_id": till.brand_id, "store_id": till.store_id, "month": month, "fen": fen}
    session.execute(_MONTH, asked)
    return session.scalar(_CHARGE, asked) is not None


def _keep(
    till: Till,
    receipt: Receipt,
    outcome: str,
    reason: str,
    found: Found | None = None,
    *,
    redemption_id: int | None = None,
    discount_fen: int = 0,
) -> OfflineReceipt:
    now = clock.now()
    session.execute(
        insert(OfflineReceipt).values(
            brand_id=till.brand_id,
            store_id=till.store_id,
            receipt_no=receipt.receipt_no,
            order_no=receipt.order_no,
            coupon_id=found.coupon.coupon_id if found else None,
            redemption_id=redemption_id,
            discount_fen=discount_fen,
            outcome=outcome,
            reason=reason,
            taken_at=min(max(receipt.taken_at, EARLIEST), now + OLDEST),  # a till without a clock tells the year 1
            received_at=now,
            content_hash=receipt.digest,
            correlation_id=context.correlation_id(),
        )
    )
    return session.scalars(
        select(OfflineReceipt).where(
            OfflineReceipt.brand_id == till.brand_id,
            OfflineReceipt.store_id == till.store_id,
            OfflineReceipt.receipt_no == receipt.receipt_no,
        )
    ).one()
