"""Redeeming at the cash desk of a store without an integrated till, and undoing it.

The one place that knows how the desk's orders become baskets of `coupons.commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core import audit, clock, context, ids
from app.core.errors import SiyuError
from app.core.idempotency import request_hash
from app.coupons import codes, commands, desk, queries
from app.coupons.desk import DeskSlip, Used
from app.coupons.errors import CampaignPaused, CodeReplayed, CouponWrongStore
from app.coupons.rules import SHIPPING, Line, Quote, Terms, check_usable
from app.org.models import Store
from app.sales import queries as sales

GOODS = "*"  # the article of an order of which only the amount was told


@dataclass(frozen=True, kw_only=True)
class Cashier:
    """Who works at which store's desk: a console user and the brand's time zone."""

    admin_id: int
    store: Store
    timezone: str

    @property
    def actor(self) -> str:
        return ids.encode("adm", self.admin_id)

    @property
    def till(self) -> commands.Till:
        store = self.store
        return commands.Till(store.brand_id, store.id, store.dealer_id, store.region_id, "desk", desk.SOURCE, None)


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order at the desk. `lines` empty: its amount is not known yet."""

    order_no: str
    lines: tuple[Line, ...]

    @property
    def amount_fen(self) -> int:
        return sum(line.amount_fen for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A coupon at the desk, and what it would take off the order or why it would not; with an order without lines
    neither, when the coupon itself is good. `before`: what was redeemed for this order number today.
    """

    coupon: queries.ShownCoupon
    terms: Terms
    quote: Quote | None
    refusal: SiyuError | None
    before: Sequence[Used]


def number(timezone: str) -> str:
    """An order number for a sale that has none: D, the day, and the end of a fresh id."""
    today = clock.now().astimezone(ZoneInfo(timezone))
    return f"D{today:%y%m%d}{ids.encode('x', ids.new_id())[-9:].upper()}"


def basket(*, amount_fen: int, freight_fen: int = 0) -> tuple[Line, ...]:
    """The lines of an order of which only sums are known."""
    told = [Line(1, GOODS, "", 1, amount_fen)] if amount_fen else []
    return (*told, Line(2, SHIPPING, SHIPPING, 1, freight_fen)) if freight_fen else tuple(told)


def look(*, cashier: Cashier, code: str, order: Order) -> Looked:
    """What a code is and would do here and now. Raises for a code that is nobody's, or shows an old step."""
    now, store = clock.now(), cashier.store
    shown = codes.read(code, now)
    coupon = queries.by_code(store.brand_id, shown.code)
    terms = queries.terms(store.brand_id, coupon.campaign_id, coupon.version)
    quote, refusal = None, None
    try:
        if order.lines:
            quote = commands.price(till=cashier.till, code=code, order_no=order.order_no, lines=order.lines).quote
        else:
            _check(store, coupon, terms, shown.step, order.order_no, now)
    except SiyuError as refused:
        refusal = refused
    since, _ = day(now, cashier.timezone)
    before = desk.of_order(store.brand_id, store.id, order.order_no, since) if order.order_no else []
    return Looked(coupon=coupon, terms=terms, quote=quote, refusal=refusal, before=before)


def _check(
    store: Store, coupon: queries.ShownCoupon, terms: Terms, step: int | None, order_no: str, now: datetime
) -> None:
    """Raise what would be refused whatever the order costs."""
    check_usable(
        status=coupon.status,
        valid_from=coupon.valid_from,
        valid_to=coupon.valid_to,
        locked_order=coupon.locked_order,
        locked_until=coupon.locked_until,
        order_no=order_no,
        at=now,
    )
    if step is not None and coupon.code_step is not None and step <= coupon.code_step:
        raise CodeReplayed()
    if coupon.campaign_status not in ("active", "ended"):
        raise CampaignPaused()
    if terms.store_ids is not None and store.id not in terms.store_ids:
        raise CouponWrongStore()


def sent_before(*, cashier: Cashier, key: str) -> bool:
    """Whether a form with this key was sent: what comes again under it is answered, whatever became of the coupon."""
    return desk.by_key(cashier.store.brand_id, cashier.store.id, key) is not None


def begin(*, cashier: Cashier, key: str, order: Order) -> DeskSlip:
    """Write down, in the open transaction, that somebody is about to redeem; the same key again is the same slip."""
    slip, new = desk.begin(
        brand_id=cashier.store.brand_id,
        store_id=cashier.store.id,
        key=key,
        admin_id=cashier.admin_id,
        order_no=order.order_no,
        amount_fen=order.amount_fen,
    )
    if new:
        audit.record(
            actor=cashier.actor,
            action="desk.redeem",
            subject=ids.encode("dsk", slip.slip_id),
            store=ids.encode("sto", slip.store_id),
            order_no=slip.order_no,
            amount_fen=slip.amount_fen,
        )
    return slip


def redeem(*, cashier: Cashier, slip: DeskSlip, code: str, order: Order) -> commands.Redemption:
    """Redeem a code for the order of a slip, once; outside any transaction. Raises why it is refused."""
    body = [code, order.order_no, [list(line) for line in order.lines]]
    with context.correlated(slip.correlation_id):
        return commands.redeem(
            till=cashier.till,
            key=commands.Key(f"desk:{ids.encode('sto', slip.store_id)}", slip.key, request_hash("desk.redeem", body)),
            code=code,
            order_no=order.order_no,
            lines=order.lines,
        )


def undo(*, cashier: Cashier, slip_id: int, reason: str) -> list[Used]:
    """Take a slip's redemptions back in the open transaction; see `desk.check_undo` for who may, and when."""
    store, now = cashier.store, clock.now()
    found = desk.used(store.brand_id, store.id, slip_id)
    slip = found[0].slip
    desk.mark_undone(
        brand_id=store.brand_id, store_id=store.id, slip_id=slip_id, admin_id=cashier.admin_id, reason=reason
    )
    desk.check_undo(
        redeemed_at=min(one.redemption.redeemed_at for one in found),
        by_self=slip.admin_id == cashier.admin_id,
        at=now,
        timezone=cashier.timezone,
    )
    began, _ = day(slip.created_at, cashier.timezone)
    for one in found:
        if sales.stands(store.brand_id, one.redemption.member_id, store.id, slip.order_no, since=began):
            raise desk.OrderUploaded()
        commands.give_back(brand_id=store.brand_id, redemption_id=one.redemption.redemption_id)
    audit.record(
        actor=cashier.actor,
        action="desk.undo",
        subject=ids.encode("dsk", slip_id),
        store=ids.encode("sto", store.id),
        order_no=slip.order_no,
        reason=reason,
    )
    return found


def day(at: datetime, timezone: str) -> tuple[datetime, datetime]:
    """The local day that a moment lies in, as [from, to)."""
    zone = ZoneInfo(timezone)
    today = at.astimezone(zone).date()
    return datetime.combine(today, time(), zone), datetime.combine(today + timedelta(days=1), time(), zone)
