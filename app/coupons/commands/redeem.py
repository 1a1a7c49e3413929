"""Redeem a coupon at a till: one read, the rules in Python, one statement that does it or does nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import errors as pg

from app.core import clock, hot, ids

from .. import codes, queries, rules
from ..errors import CampaignPaused, CodeReplayed, CouponRedeemed, CouponWrongStore
from ..events import Redeemed
from . import parts
from .parts import Key

# Compare-and-set on the state that was read. Every condition that was checked in Python stands here again, so a pause,
# an expiry, another order or a replayed code that comes between read and write finds zero rows to change.
REDEEM = f"""
WITH used AS (
  UPDATE coupon c
  SET status = %(to_status)s, locked_order = NULL, locked_until = NULL,
      code_step = coalesce(%(step)s::bigint, c.code_step)
  WHERE c.brand_id = %(brand_id)s::bigint AND c.member_id = %(member_id)s::bigint
    AND c.coupon_id = %(coupon_id)s::bigint AND c.status = %(from_status)s
    AND (c.status IN ('claimed', 'returned')
         OR c.status = 'locked' AND (c.locked_order = %(order_no)s OR c.locked_until <= %(now)s::timestamptz))
    AND c.valid_from <= %(now)s::timestamptz AND c.valid_to > %(now)s::timestamptz
    AND (%(step)s::bigint IS NULL OR c.code_step IS NULL OR c.code_step < %(step)s::bigint)
    AND EXISTS (SELECT FROM campaign k WHERE k.brand_id = c.brand_id AND k.campaign_id = c.campaign_id
                AND k.status IN ('active', 'ended'))
    AND {parts.KEY_IS_NEW}
  RETURNING c.brand_id, c.member_id, c.coupon_id
), promised AS ({parts.key("used")}
), redeemed AS (
  INSERT INTO redemption (brand_id, member_id, redemption_id, coupon_id, source, order_no, store_id, discount_fen,
                          hq_fen, dealer_fen, api_client_id, redeemed_at, correlation_id)
  SELECT brand_id, member_id, %(redemption_id)s::bigint, coupon_id, %(source)s, %(order_no)s, %(store_id)s::bigint,
         %(discount_fen)s::bigint, %(hq_fen)s::bigint, %(dealer_fen)s::bigint, %(api_client_id)s::bigint,
         %(now)s::timestamptz, %(correlation_id)s
  FROM used
), lines AS (
  INSERT INTO redemption_line (brand_id, member_id, redemption_id, line_no, discount_fen)
  SELECT brand_id, member_id, %(redemption_id)s::bigint, line.line_no, line.fen
  FROM used, unnest(%(line_nos)s::int[], %(line_fens)s::bigint[]) AS line (line_no, fen)
), noted AS ({parts.event("used")}
), told AS ({parts.outbox("used")}
)
SELECT coupon_id FROM used
"""

_TRIES = 3


class Till(NamedTuple):
    """Where a coupon is used: a store (and whether a dealer owns it), by which caller."""

    brand_id: int
    store_id: int
    dealer: bool
    source: str
    api_client_id: int | None


class Priced(NamedTuple):
    """A coupon and what it would take off an order."""

    coupon: queries.ShownCoupon
    terms: rules.Terms
    step: int | None
    quote: rules.Quote


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
    return _price(till, code, order_no, lines, clock.now())


def redeem(*, till: Till, key: Key, code: str, order_no: str, lines: Sequence[rules.Line]) -> Redemption:
    """Redeem a coupon for an order, once: the same key and body get the same answer, another body 409.

    Autocommitted on the hot pool. Raises the reason (see errors) when the coupon cannot be used, Busy when others
    kept changing it.
    """
    now = clock.now()

    def attempt() -> Redemption | None:
        return _write(till, key, order_no, _price(till, code, order_no, lines, now), now)

    return parts.once(key, attempt, _stored, tries=_TRIES)


def _price(till: Till, code: str, order_no: str, lines: Sequence[rules.Line], now: datetime) -> Priced:
    shown = codes.read(code, now)
    coupon = queries.by_code(till.brand_id, shown.code)
    rules.check_usable(
        status=coupon.status,
        valid_from=coupon.valid_from,
        valid_to=coupon.valid_to,
        locked_order=coupon.locked_order,
        locked_until=coupon.locked_until,
        order_no=order_no,
        at=now,
    )
    if shown.step is not None and coupon.code_step is not None and shown.step <= coupon.code_step:
        raise CodeReplayed()
    if coupon.campaign_status not in ("active", "ended"):
        raise CampaignPaused()
    terms = queries.terms(till.brand_id, coupon.campaign_id, coupon.version)
    if terms.store_ids is not None and till.store_id not in terms.store_ids:
        raise CouponWrongStore()
    return Priced(coupon, terms, shown.step, rules.quote(terms, lines))


def _write(till: Till, key: Key, order_no: str, priced: Priced, now: datetime) -> Redemption | None:
    """Run the statement; None when the coupon is no longer in the state that was read."""
    coupon, quote = priced.coupon, priced.quote
    hq_fen, dealer_fen, _ = rules.cost_share(quote.discount_fen, priced.terms.hq_bp, dealer=till.dealer)
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
    parameters: dict[str, Any] = parts.common(told, now)
    parameters |= {
        "coupon_id": coupon.coupon_id,
        "redemption_id": redemption_id,
        "from_status": coupon.status,
        "to_status": "redeemed",
        "cause": "redeem",
        "step": priced.step,
        "source": till.source,
        "order_no": order_no,
        "store_id": till.store_id,
        "api_client_id": till.api_client_id,
        "discount_fen": quote.discount_fen,
        "hq_fen": hq_fen,
        "dealer_fen": dealer_fen,
        "line_nos": [line_no for line_no, _ in quote.lines],
        "line_fens": [fen for _, fen in quote.lines],
        "key_scope": key.scope,
        "key": key.key,
        "key_digest": key.digest,
        "answer": json.dumps(answer._asdict()),
    }
    try:
        row = hot.fetch_one(REDEEM, parameters)
    except pg.UniqueViolation as error:
        if error.diag.constraint_name == "uq_redemption_live":
            raise CouponRedeemed() from error
        if error.diag.constraint_name != "pk_idempotency_key":
            raise
        return None  # the key was used at the same moment, and what was answered then stands under it
    return None if row is None else answer


def _stored(answer: dict[str, Any]) -> Redemption:
    answer["lines"] = [(line_no, fen) for line_no, fen in answer["lines"]]
    return Redemption(**answer)
