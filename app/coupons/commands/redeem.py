"""Redeem coupons at a till: one read, the rules in Python, one statement a coupon that does it or does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import errors as pg

from app.core import clock, hot, ids
from app.core.errors import Busy, SiyuError

from .. import codes, queries, rules
from ..errors import (
    BudgetSpent,
    CodeExpired,
    CodeReplayed,
    CouponRedeemed,
    OrderDiscountTooLarge,
)
from ..events import Redeemed
from . import parts
from .parts import Key

# Compare-and-set on the state that was read. Every condition that was checked in Python stands here again, so a pause,
# an expiry, another order or a replayed code that comes between read and write finds zero rows to change. What the
# coupons of one order have in common is kept in its order_discount: two of them at one moment meet there, and the later
# one was priced without the other, so that it is looked at again. That row and the budget's come last, as others wait
# for them; when either refuses, the whole statement is undone.
_STATEMENT = f"""
WITH used AS (
  UPDATE coupon c
  SET status = %(to_status)s, locked_order = NULL, locked_until = NULL,
      code_step = coalesce(%(step)s::bigint, c.code_step)
  WHERE c.brand_id = %(brand_id)s::bigint AND c.member_id = %(member_id)s::bigint
    AND c.coupon_id = %(coupon_id)s::bigint AND c.status = %(from_status)s
    AND (c.status IN ({{open}})
         OR c.status = 'locked' AND (c.locked_order = %(holder)s OR c.locked_until <= %(held_at)s::timestamptz))
    AND c.valid_from <= %(now)s::timestamptz AND c.valid_to > %(now)s::timestamptz
    AND (%(step)s::bigint IS NULL OR c.code_step IS NULL OR c.code_step < %(step)s::bigint)
    AND EXISTS (SELECT FROM campaign k WHERE k.brand_id = c.brand_id AND k.campaign_id = c.campaign_id
                AND k.status IN ('active', 'ended'))
    AND {{condition}}
  RETURNING c.brand_id, c.member_id, c.coupon_id, c.campaign_id
){{promised}}, redeemed AS (
  INSERT INTO redemption (brand_id, member_id, redemption_id, coupon_id, source, order_no, store_id, discount_fen,
                          hq_fen, dealer_fen, supplier_fen, supplier, stack_group, api_client_id, redeemed_at,
                          correlation_id)
  SELECT brand_id, member_id, %(redemption_id)s::bigint, coupon_id, %(source)s, %(order_no)s, %(store_id)s::bigint,
         %(discount_fen)s::bigint, %(hq_fen)s::bigint, %(dealer_fen)s::bigint, %(supplier_fen)s::bigint, %(supplier)s,
         %(stack_group)s, %(api_client_id)s::bigint, %(now)s::timestamptz, %(correlation_id)s
  FROM used
), lines AS (
  INSERT INTO redemption_line (brand_id, member_id, redemption_id, line_no, discount_fen, quantity)
  SELECT brand_id, member_id, %(redemption_id)s::bigint, line.line_no, line.fen, line.quantity
  FROM used, unnest(%(line_nos)s::int[], %(line_fens)s::bigint[], %(line_quantities)s::int[])
    AS line (line_no, fen, quantity)
), noted AS ({parts.event("used")}
), told AS ({parts.outbox("used")}
), ordered AS (
  INSERT INTO order_discount AS o (brand_id, order_no, source, store_id, total_fen, discount_fen, groups)
  SELECT brand_id, %(order_no)s, %(counter)s, %(store_id)s::bigint, %(total_fen)s::bigint, %(discount_fen)s::bigint,
         ARRAY[%(stack_group)s::text]
  FROM used
  ON CONFLICT (brand_id, order_no, source, store_id) DO UPDATE
  SET discount_fen = o.discount_fen + excluded.discount_fen, groups = o.groups || excluded.groups,
      total_fen = greatest(o.total_fen, excluded.total_fen)
  WHERE o.discount_fen = %(before_fen)s::bigint
    AND (cardinality(o.groups) = 0 OR %(stack_group)s <> '' AND NOT o.groups && ARRAY['', %(stack_group)s])
  RETURNING o.brand_id
), budget AS (
  UPDATE campaign_budget b SET spent_fen = b.spent_fen + %(discount_fen)s::bigint
  FROM used
  WHERE b.campaign_id = used.campaign_id AND b.spent_fen + %(discount_fen)s::bigint <= b.budget_fen
  RETURNING b.campaign_id
)
SELECT CASE WHEN NOT EXISTS (SELECT FROM ordered) THEN refuse('busy')
            WHEN %(budgeted)s::boolean AND NOT EXISTS (SELECT FROM budget) THEN refuse('budget_spent')
            ELSE coupon_id END
FROM used
"""
_OPEN = "'claimed', 'returned'"
REDEEM = _STATEMENT.format(condition=parts.KEY_IS_NEW, open=_OPEN, promised=f", promised AS ({parts.key('used')})")
REDEEM_IN_ORDER = _STATEMENT.format(condition="true", open=_OPEN, promised="")
# As of a moment in the past, when what has ended since was still good.
REDEEM_LATE = _STATEMENT.format(condition="true", open=f"{_OPEN}, 'expired'", promised="")
_REFUSALS: dict[str, type[SiyuError]] = {one.code: one for one in (Busy, BudgetSpent)}

_TRIES = 3


class Till(NamedTuple):
    """Where a coupon is used: a store with its dealer and region, the channel, and by which caller."""

    brand_id: int
    store_id: int
    dealer_id: int | None
    region_id: int | None
    channel: str
    source: str
    api_client_id: int | None


class Found(NamedTuple):
    """A coupon that could be used here and now, whatever is in the basket."""

    coupon: queries.ShownCoupon
    terms: rules.Terms
    step: int | None


class Priced(NamedTuple):
    """A coupon and what it would take off an order, beside those used on it before."""

    coupon: queries.ShownCoupon
    terms: rules.Terms
    step: int | None
    quote: rules.Quote
    before: queries.Before


class Redemption(NamedTuple):
    """A redemption as it was answered: ids, what it took off in fen, by line, and for which coupon."""

    redemption_id: int
    coupon_id: int
    member_id: int
    campaign_id: int
    name: str
    kind: str
    order_no: str
    store_id: int
    discount_fen: int
    lines: list[tuple[int, int]]
    redeemed_at: str


def price(*, till: Till, code: str, order_no: str, lines: Sequence[rules.Line]) -> Priced:
    """What a code would take off an order here and now; raises why it would not. Changes nothing."""
    return price_found(till, find(till, code, order_no, clock.now()), order_no, lines)


def redeem(*, till: Till, key: Key, code: str, order_no: str, lines: Sequence[rules.Line]) -> Redemption:
    """Redeem a coupon for an order, once: the same key and body get the same answer, another body 409.

    Autocommitted on the hot pool. Raises the reason (see errors) when the coupon cannot be used, Busy when others
    kept changing it.
    """
    now = clock.now()

    def attempt() -> Redemption | None:
        found = find(till, code, order_no, now)
        try:
            priced = price_found(till, found, order_no, lines)
        except Busy:
            return None
        answer, parameters = prepare(till, order_no, priced, lines, now)
        parameters |= {
            "key_scope": key.scope,
            "key": key.key,
            "key_digest": key.digest,
            "answer": json.dumps(answer._asdict()),
        }
        try:
            row = hot.fetch_one(REDEEM, parameters)
        except pg.UniqueViolation as error:
            if error.diag.constraint_name != "pk_idempotency_key":
                raise refusal(error) from error
            return None  # the key was used at the same moment, and what was answered then stands under it
        except (pg.RaiseException, pg.CheckViolation) as error:
            meant = refusal(error)
            if isinstance(meant, Busy):
                return None  # another coupon came onto the order
            raise meant from error
        return None if row is None else answer

    return parts.once(key, attempt, _stored, tries=_TRIES)


def find(till: Till, code: str, order_no: str, now: datetime) -> Found:
    """The coupon behind a code, if it can be used here and now; raises why it cannot.

    An order that holds the coupon has shown a code, and came at a time of the terms, when it began to hold it.
    """
    shown = codes.recognized(code, now)
    coupon = queries.beside_order(till, shown.code, order_no)
    holder = rules.holder(till.source, till.store_id, order_no)
    return usable(till, coupon, shown, holder, now, held=coupon.held_by(holder, now))


def usable(
    till: Till, coupon: queries.ShownCoupon, shown: codes.Shown, holder: str, now: datetime, *, held: bool
) -> Found:
    """A coupon that was looked up, if it can be used there and then; raises why it cannot. `held`: the order holds it,
    or did so then.
    """
    if shown.old and not held:
        raise CodeExpired()
    rules.check_usable(coupon, at=now, holder=holder)
    if shown.step is not None and coupon.code_step is not None and shown.step <= coupon.code_step:
        raise CodeReplayed()
    rules.check_campaign(coupon.campaign_status)
    terms = queries.terms(till.brand_id, coupon.campaign_id, coupon.version)
    rules.check_place(terms, till)
    if not held:
        rules.check_time(terms, now)
    return Found(coupon, terms, shown.step)


def price_found(till: Till, found: Found, order_no: str, lines: Sequence[rules.Line]) -> Priced:
    """What a coupon takes off what an order still costs; raises why it takes off nothing, CouponNotStackable,
    BudgetSpent, Busy when another coupon came onto the order since this one was looked at.
    """
    rules.check_stack(found.terms, found.coupon.groups)
    before = before_of(till, order_no, [found])
    return quoted(found, rules.less(lines, before.lines), lines, before)


def before_of(till: Till, order_no: str, found: Sequence[Found]) -> queries.Before:
    """What was taken off an order before these coupons, as each of them met it; Busy when that has changed."""
    if not any(one.coupon.groups for one in found):
        return queries.NOTHING_BEFORE
    before = queries.before(till, order_no)
    if any(one.coupon.groups != before.groups for one in found):
        raise Busy(retry_after=1)
    return before


def quoted(
    found: Found, left: Sequence[rules.Line], whole: Sequence[rules.Line], before: queries.Before
) -> Priced:
    """What a coupon takes off what the lines still cost; raises why it takes off nothing, BudgetSpent."""
    quote = rules.quote(found.terms, left, whole=whole)
    if found.coupon.budget_left is not None and quote.discount_fen > found.coupon.budget_left:
        raise BudgetSpent()
    return Priced(*found, quote, before)


def prepare(
    till: Till, order_no: str, priced: Priced, lines: Sequence[rules.Line], now: datetime
) -> tuple[Redemption, dict[str, Any]]:
    """What a redemption would answer, and the parameters of its statement. `lines`: the order's, before any coupon."""
    coupon, quote, terms = priced.coupon, priced.quote, priced.terms
    cost = rules.cost_share(quote.discount_fen, terms, dealer=till.dealer_id is not None)
    redemption_id = ids.new_id()
    answer = Redemption(
        redemption_id,
        coupon.coupon_id,
        coupon.member_id,
        coupon.campaign_id,
        coupon.name,
        coupon.kind,
        order_no,
        till.store_id,
        quote.discount_fen,
        list(quote.lines),
        now.isoformat(),
    )
    told = Redeemed(
        brand_id=till.brand_id,
        member_id=coupon.member_id,
        coupon_id=coupon.coupon_id,
        campaign_id=coupon.campaign_id,
        redemption_id=redemption_id,
        order_no=order_no,
        store_id=till.store_id,
        discount_fen=quote.discount_fen,
    )
    quantities = {line.line_no: line.quantity for line in lines}
    parameters: dict[str, Any] = parts.common(told, now)
    parameters |= {
        "coupon_id": coupon.coupon_id,
        "redemption_id": redemption_id,
        "from_status": coupon.status,
        "to_status": "redeemed",
        "held_at": clock.now(),
        "cause": "redeem",
        "step": priced.step,
        "source": till.source,
        "counter": rules.counter_of(till.source),
        "holder": rules.holder(till.source, till.store_id, order_no),
        "order_no": order_no,
        "store_id": till.store_id,
        "api_client_id": till.api_client_id,
        "discount_fen": quote.discount_fen,
        "hq_fen": cost.hq,
        "dealer_fen": cost.dealer,
        "supplier_fen": cost.supplier,
        "supplier": terms.supplier,
        "stack_group": terms.stack_group,
        "before_fen": priced.before.discount_fen,
        "budgeted": coupon.budgeted,
        "total_fen": sum(line.amount_fen for line in lines),
        "line_nos": [line_no for line_no, _ in quote.lines],
        "line_fens": [fen for _, fen in quote.lines],
        "line_quantities": [quantities[line_no] for line_no, _ in quote.lines],
    }
    return answer, parameters


def refusal(error: pg.Error) -> Exception:
    """What a refusal of the statement means; the error itself when it is a bug."""
    constraint = error.diag.constraint_name
    if constraint == "uq_redemption_live":
        return CouponRedeemed()
    if constraint == "ck_order_discount_discount":
        return OrderDiscountTooLarge()
    if isinstance(error, pg.RaiseException) and (known := _REFUSALS.get(error.diag.message_primary or "")):
        return known()
    return error


def _stored(answer: Mapping[str, Any]) -> Redemption:
    return Redemption(**{**answer, "lines": [(line_no, fen) for line_no, fen in answer["lines"]]})
