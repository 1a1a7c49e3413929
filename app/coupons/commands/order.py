"""The coupons of one order together: what they take off, holding them, using them, letting them go. All or nothing.

The order in which they take off is always the same (rules.ORDER), whatever the order in which they were told. Rows are
locked in one order by everybody, so that two orders that want each other's coupons do not wait for each other: coupons
by (member, coupon), then the order's row, then budgets by campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from psycopg import errors as pg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import clock
from app.core.db import session
from app.core.errors import Busy, Invalid, Retryable, SiyuError
from app.core.locks import lock_rows

from .. import queries, rules
from ..errors import NotHeld
from ..models import CampaignBudget, Coupon
from . import hold
from .redeem import REDEEM_IN_ORDER, Found, Priced, Redemption, Till, before_of, find, prepare, refusal

_TRIES = 3
_HOLD_ORDER = text("""
INSERT INTO order_discount AS o (brand_id, order_no, source, store_id, total_fen, discount_fen, groups)
VALUES (:brand_id, :order_no, :counter, :store_id, :total_fen, 0, '{}')
ON CONFLICT (brand_id, order_no, source, store_id) DO UPDATE SET total_fen = o.total_fen
""")
T = TypeVar("T")


class CouponTwice(Invalid):
    code, message = "coupon_twice", "Two of the codes are of one coupon."


class Answer(NamedTuple):
    """What became of one code: priced, or why not. `position`: as which of the order's coupons it takes off, from 1."""

    code: str
    priced: Priced | None
    reason: SiyuError | None
    position: int


class OrderQuote(NamedTuple):
    """What the coupons of an order take off together; `answers` in the order of the codes asked. `held_until`: so long
    the order holds them all.
    """

    answers: list[Answer]
    discount_fen: int
    lines: list[tuple[int, int]]
    held_until: datetime | None = None

    def usable(self) -> list[Priced]:
        """The coupons, as they take off. Raises the first reason for which one cannot be used."""
        for answer in self.answers:
            if answer.reason is not None:
                raise answer.reason
        ordered = sorted(self.answers, key=lambda answer: answer.position)
        return [answer.priced for answer in ordered if answer.priced is not None]


def quote_order(*, till: Till, codes: Sequence[str], order_no: str, lines: Sequence[rules.Line]) -> OrderQuote:
    """What each of several codes would take off an order, one after the other, and after those that were used on it
    before. Changes nothing.

    A coupon that cannot be used, alone or beside those before it, is answered with its reason and takes off nothing.
    Raises CouponTwice, and Busy or Unavailable, which are no coupon's reason.
    """
    now = clock.now()
    found: dict[str, Found] = {}
    reasons: dict[str, SiyuError] = {}
    for code in codes:
        try:
            found[code] = find(till, code, order_no, now)
        except Retryable:
            raise
        except SiyuError as refused:
            reasons[code] = refused
    if len({one.coupon.coupon_id for one in found.values()}) != len(found) or len(set(codes)) != len(codes):
        raise CouponTwice()
    before = before_of(till, order_no, list(found.values()))
    shown = {one.coupon.coupon_id: code for code, one in found.items()}
    turns = rules.take_turns(map(_candidate, found.values()), lines, off=before.lines, groups=before.groups)
    told = {shown[turn.coupon.coupon_id]: turn for turn in turns.turns}
    answers = [
        _answer(code, found[code], told[code], before) if code in told else Answer(code, None, reasons[code], 0)
        for code in codes
    ]
    return OrderQuote(answers, turns.discount_fen, list(turns.lines))


def lock_order(
    *, till: Till, codes: Sequence[str], order_no: str, lines: Sequence[rules.Line], minutes: int | None = None
) -> OrderQuote:
    """Hold all these coupons for an order that is not paid yet; the same order may do so again to hold them longer.

    In the open transaction. Raises the first reason for which one cannot be used, Busy when others kept changing them.
    """
    held = hold.HOLD if minutes is None else timedelta(minutes=minutes)

    def attempt() -> OrderQuote:
        answer = quote_order(till=till, codes=codes, order_no=order_no, lines=lines)
        until = [
            hold.lock(
                counter=till,
                member_id=one.coupon.member_id,
                coupon_id=one.coupon.coupon_id,
                order_no=order_no,
                hold=held,
            )
            for one in _ascending(till, answer.usable())
        ]
        return answer._replace(held_until=min(until))

    return _tried(attempt)


def release_order(*, till: Till, codes: Sequence[str], order_no: str) -> int:
    """Let go what an order holds of these coupons, in the open transaction; how many. NotHeld when it holds none."""
    owned = queries.codes_owned(till.brand_id, codes, clock.now())
    released = sum(
        hold.release(counter=till, member_id=member_id, coupon_id=coupon_id, order_no=order_no)
        for member_id, coupon_id in sorted((member_id, coupon_id) for coupon_id, member_id in owned)
    )
    if not released:
        raise NotHeld()
    return released


def redeem_order(
    *, till: Till, codes: Sequence[str], order_no: str, lines: Sequence[rules.Line]
) -> tuple[OrderQuote, list[Redemption]]:
    """Use all these coupons for an order, in the open transaction; redemptions in the order in which they take off.

    Raises the first reason for which one cannot be used, Busy when others kept changing them.
    """

    def attempt() -> tuple[OrderQuote, list[Redemption]]:
        now = clock.now()
        answer = quote_order(till=till, codes=codes, order_no=order_no, lines=lines)
        usable = answer.usable()
        ordered = _ascending(till, usable)
        _hold_budgets(till, order_no, usable, lines)
        done, so_far = {}, 0
        for one in ordered:
            done[one.coupon.coupon_id] = _use(till, order_no, one, lines, now, so_far)
            so_far += one.quote.discount_fen
        return answer, [done[one.coupon.coupon_id] for one in usable]

    return _tried(attempt)


def _use(
    till: Till, order_no: str, one: Priced, lines: Sequence[rules.Line], now: datetime, so_far: int
) -> Redemption:
    """Use one of an order's coupons; `so_far`: what those of this request took off, in fen."""
    answer, parameters = prepare(till, order_no, one, lines, now)
    parameters["before_fen"] += so_far
    row = in_session(REDEEM_IN_ORDER, parameters)
    if row is None:  # no longer in the state that was read
        raise Busy(retry_after=1)
    return answer


def in_session(statement: str, parameters: Mapping[str, Any]) -> Any:
    """A statement of the hot path in the open transaction; its refusals are raised as what they mean."""
    try:
        return session.connection().exec_driver_sql(statement, dict(parameters)).fetchone()
    except DBAPIError as error:
        if not isinstance(error.orig, pg.UniqueViolation | pg.RaiseException | pg.CheckViolation):
            raise
        meant = refusal(error.orig)
        if meant is error.orig:
            raise
        raise meant from error


def _tried(attempt: Callable[[], T]) -> T:
    """What an attempt answers, made again from a savepoint when somebody else was faster."""
    for last in (False,) * (_TRIES - 1) + (True,):
        try:
            with session.begin_nested():
                return attempt()
        except Busy:
            if last:
                raise
    raise AssertionError("unreachable")


def _candidate(one: Found) -> rules.Candidate:
    return rules.Candidate(one.coupon.coupon_id, one.coupon.valid_to, one.terms, one.coupon.budget_left)


def _answer(code: str, one: Found, turn: rules.Turn, before: queries.Before) -> Answer:
    priced = None if turn.refusal else Priced(*one, turn.quote, before)
    return Answer(code, priced, turn.refusal, turn.position)


def _ascending(till: Till, usable: Sequence[Priced]) -> list[Priced]:
    """The coupons in the order in which they are changed. All of them are held first."""
    lock_rows(Coupon, [(till.brand_id, one.coupon.member_id, one.coupon.coupon_id) for one in usable])
    return sorted(usable, key=lambda one: one.coupon.coupon_id)


def _hold_budgets(till: Till, order_no: str, usable: Sequence[Priced], lines: Sequence[rules.Line]) -> None:
    """Hold several budgets in ascending order, and the order's row before them, as everybody else does. A single
    budget is taken by its coupon's own statement, which comes to the order's row first.
    """
    budgets = {one.coupon.campaign_id for one in usable if one.coupon.budgeted}
    if len(budgets) < 2:
        return
    asked = {
        "brand_id": till.brand_id,
        "order_no": order_no,
        "counter": rules.counter_of(till.source),
        "store_id": till.store_id,
        "total_fen": sum(line.amount_fen for line in lines),
    }
    session.execute(_HOLD_ORDER, asked)
    lock_rows(CampaignBudget, budgets)
