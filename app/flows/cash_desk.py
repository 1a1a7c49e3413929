"""Redeeming at the cash desk of a store without an integrated till, and undoing it.

The one place that knows how the desk's orders become baskets of `coupons.commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.core import audit, clock, ids
from app.core.errors import Retryable, SiyuError
from app.core.idempotency import once, request_hash
from app.coupons import codes as coupon_codes
from app.coupons import commands, desk, queries
from app.coupons.commands.redeem import find
from app.coupons.desk import Used
from app.coupons.rules import SHIPPING, Line, Terms
from app.org.models import Store

from . import coupon_orders

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
        return commands.Till(store.brand_id, store.id, store.dealer_id, store.region_id, desk.SOURCE, desk.SOURCE, None)


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order at the desk. `lines` empty: its amount is not known yet."""

    order_no: str
    lines: tuple[Line, ...]

    @property
    def amount_fen(self) -> int:
        return sum(line.amount_fen for line in self.lines)


class Shown(NamedTuple):
    """One code at the desk: its coupon, and what it would take off beside the others, or why it would not.

    With an order without lines neither, when the coupon itself is good.
    """

    code: str
    coupon: queries.ShownCoupon
    terms: Terms
    discount_fen: int
    refusal: SiyuError | None


class Looked(NamedTuple):
    """The coupons of an order at the desk, as they were told; `before`: redeemed for this order number earlier."""

    coupons: list[Shown]
    discount_fen: int
    before: Sequence[Used]


def number(timezone: str) -> str:
    """An order number for a sale that has none: D, the day, and the end of a fresh id."""
    today = clock.now().astimezone(ZoneInfo(timezone))
    return f"D{today:%y%m%d}{ids.encode('x', ids.new_id())[-9:].upper()}"


def basket(*, amount_fen: int, freight_fen: int = 0) -> tuple[Line, ...]:
    """The lines of an order of which only sums are known."""
    told = [Line(1, GOODS, "", 1, amount_fen)] if amount_fen else []
    return (*told, Line(2, SHIPPING, SHIPPING, 1, freight_fen)) if freight_fen else tuple(told)


def look(*, cashier: Cashier, codes: Sequence[str], order: Order) -> Looked:
    """What codes are and would do here and now. Raises for a code that is nobody's, or shows an old step."""
    now, store = clock.now(), cashier.store
    coupons = [queries.by_code(store.brand_id, coupon_codes.read(code, now).code) for code in codes]
    before = desk.of_order(store.brand_id, store.id, order.order_no) if order.order_no else []
    asked = dict(zip(codes, coupons, strict=True))
    shown = [Shown(code, one, _terms(store.brand_id, one), 0, None) for code, one in asked.items()]
    if not order.lines:
        return Looked([one._replace(refusal=_refusal(cashier, one.code, now)) for one in shown], 0, before)
    quote = commands.quote_order(till=cashier.till, codes=list(asked), order_no=order.order_no, lines=order.lines)
    off = {one.code: one.priced.quote.discount_fen if one.priced else 0 for one in quote.answers}
    why = {one.code: one.reason for one in quote.answers}
    quoted = [one._replace(discount_fen=off[one.code], refusal=why[one.code]) for one in shown]
    return Looked(quoted, quote.discount_fen, before)


def _terms(brand_id: int, coupon: queries.ShownCoupon) -> Terms:
    return queries.terms(brand_id, coupon.campaign_id, coupon.version)


def _refusal(cashier: Cashier, code: str, now: datetime) -> SiyuError | None:
    """What would be refused whatever the order is."""
    try:
        find(cashier.till, code, "", now)
    except Retryable:
        raise
    except SiyuError as refused:
        return refused
    return None


def redeem(*, cashier: Cashier, key: str, codes: Sequence[str], order: Order) -> int:
    """Redeem codes for an order in the open transaction, all or none, once a key; the slip's id. Raises why not."""
    store = cashier.store

    def work() -> dict[str, int]:
        commands.redeem_order(till=cashier.till, codes=codes, order_no=order.order_no, lines=order.lines)
        slip = desk.write(
            brand_id=store.brand_id,
            store_id=store.id,
            admin_id=cashier.admin_id,
            order_no=order.order_no,
            amount_fen=order.amount_fen,
        )
        audit.record(
            actor=cashier.actor,
            action="desk.redeem",
            subject=ids.encode("dsk", slip.slip_id),
            store=ids.encode("sto", store.id),
            order_no=slip.order_no,
            amount_fen=slip.amount_fen,
        )
        return {"slip_id": slip.slip_id}

    body = [store.id, order.order_no, list(codes), [list(line) for line in order.lines]]
    return once(scope=f"desk:{cashier.actor}", key=key, digest=request_hash("desk.redeem", body), work=work)["slip_id"]


def undo(*, cashier: Cashier, slip_id: int, reason: str) -> list[Used]:
    """Take a slip's redemptions back in the open transaction; see `desk.check_undo` for who may, and when."""
    store, now = cashier.store, clock.now()
    found = desk.used(store.brand_id, store.id, slip_id)
    slip = found[0].slip
    desk.mark_undone(
        brand_id=store.brand_id, store_id=store.id, slip_id=slip_id, admin_id=cashier.admin_id, reason=reason
    )
    desk.check_undo(
        redeemed_at=slip.created_at,
        by_self=slip.admin_id == cashier.admin_id,
        at=now,
        timezone=cashier.timezone,
    )
    for one in sorted(found, key=lambda one: one.redemption.member_id):  # members are held in this order by all
        coupon_orders.cancel(brand_id=store.brand_id, redemption_id=one.redemption.redemption_id)
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
