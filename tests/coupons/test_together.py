"""Which coupons go together: as the till says it, a best few of them, and why each goes where it goes."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_turns import BASKET, NOW, baskets, one, told, wallets

from app.coupons import errors, rules, together, usable, wording
from app.coupons.queries.wallet import Card
from app.coupons.rules import Candidate, Line

PLACE = usable.Place(1, None, None, "mall")


def card(coupon: Candidate) -> Card:
    return Card(
        coupon.coupon_id, coupon.coupon_id, 1, "券", coupon.terms.kind, "claimed", NOW, NOW, coupon.valid_to, "self",
        None, None, "active", coupon.budget_left, coupon.terms,
    )  # fmt: skip


def best(coupons: list[Candidate], lines: list[Line]) -> tuple[list[usable.Fit], rules.Turns | None]:
    fits = usable.fits([card(coupon) for coupon in coupons], lines, place=PLACE, at=NOW)
    return fits, together.best(fits, lines)


@given(coupons=wallets(), lines=baskets, seed=st.randoms(use_true_random=False), used=st.booleans())
def test_any_permutation_is_told_the_same(
    coupons: list[Candidate], lines: list[Line], seed: random.Random, used: bool
) -> None:
    before: dict[str, Any] = {"off": {1: lines[0].amount_fen // 2}, "groups": ["a"]} if used else {}
    first, again = (
        together.beside([card(coupon) for coupon in which], lines, place=PLACE, at=NOW, **before)
        for which in (coupons, seed.sample(coupons, len(coupons)))
    )
    assert told(first) == told(again)
    words = [wording.why_here(found.turns, lines, used=used) for found in (first, again)]
    assert words[0] == words[1] and words[0].keys() == {coupon.coupon_id for coupon in coupons}


@given(coupons=wallets(most=6), lines=baskets)
def test_a_best_combination_is_never_worse_than_the_best_alone_and_never_promises_too_much(
    coupons: list[Candidate], lines: list[Line]
) -> None:
    fits, found = best(coupons, lines)
    fitting = [fit for fit in fits if fit.refusal is None]
    assert (found is None) == (not fitting)
    if found is None:
        return
    assert found.discount_fen >= fitting[0].discount_fen
    assert all(turn.position for turn in found.turns)
    chosen = [turn.coupon for turn in found.turns]
    assert told(rules.take_turns(chosen, lines)) == told(found)
    most = max(
        rules.take_turns(which, lines).discount_fen
        for size in range(1, len(coupons) + 1)
        for which in combinations(coupons, size)
    )
    assert found.discount_fen <= most


def test_a_worse_start_may_win() -> None:
    """The best alone goes with nobody; two smaller ones together take off more."""
    alone = one(1, "amount", amount_fen=1500, stack_group="")
    first, second = one(2, "amount", amount_fen=900), one(3, "percent", percent_bp=2000)
    fits, found = best([alone, first, second], BASKET)
    assert fits[0].card.coupon_id == 1 and found is not None
    assert [turn.coupon.coupon_id for turn in found.turns] == [2, 3]
    assert found.discount_fen == 900 + (5000 - 900) // 5
    # A coupon that adds nothing is left in the wallet.
    _, all_of_it = best([one(1, "percent", percent_bp=10_000), one(2, "amount")], BASKET[:1])
    assert all_of_it is not None and [turn.coupon.coupon_id for turn in all_of_it.turns] == [1]


def test_a_best_combination_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    priced = 0
    take_turns = rules.take_turns

    def counted(coupons: Any, lines: Any) -> rules.Turns:
        nonlocal priced
        priced += 1
        return take_turns(coupons, lines)

    monkeypatch.setattr(rules, "take_turns", counted)
    _, found = best([one(number, "amount", amount_fen=number) for number in range(1, 31)], BASKET)
    assert found is not None and len(found.turns) == together.MOST
    assert found.discount_fen == sum(range(21, 31))
    assert priced <= together.CANDIDATES**2
    # Of a long order the first start is worth its while, and the others are not tried.
    priced, long = 0, [Line(number, "A", "shoes", 1, 100) for number in range(1, 201)]
    fits, found = best([one(number, "amount", amount_fen=number) for number in range(1, 31)], long)
    assert found is not None and found.discount_fen >= fits[0].discount_fen
    assert priced <= together.CANDIDATES
    # Two hundred coupons of one campaign are one candidate.
    same = [card(one(number, "amount", amount_fen=9))._replace(campaign_id=7) for number in range(1, 201)]
    other = card(one(999, "amount", amount_fen=1))
    found = together.best(usable.fits([*same, other], BASKET, place=PLACE, at=NOW), BASKET)
    assert found is not None and [turn.coupon.coupon_id for turn in found.turns] == [1, 999]


def words(coupons: list[Candidate], lines: list[Line] = BASKET, **before: Any) -> list[str]:
    turns = rules.take_turns(coupons, lines, **before)
    said = wording.why_here(turns.turns, lines, used=bool(before))
    return [said[coupon.coupon_id] for coupon in coupons]


def test_each_place_is_explained() -> None:
    coupons = [
        one(1, "gift"),
        one(2, "threshold"),
        one(3, "threshold", days=2),
        one(4, "amount"),
        one(5, "amount"),
        one(6, "percent", threshold_fen=5000),
        one(7, "shipping", amount_fen=0),
    ]
    assert words(coupons) == [
        "第1张：兑换券先抵扣，抵一件礼品",
        "第2张：满减券在兑换券之后抵扣，门槛按用券前的商品金额判断",
        "第3张：同为满减券，到期较晚的在后，门槛按用券前的商品金额判断",
        "第4张：代金券在满减券之后抵扣",
        "第5张：同为代金券、同时到期，后发放的在后",
        "第6张：折扣券在代金券之后抵扣，门槛按用券前的商品金额判断，按前面抵扣后的金额打折",
        "第7张：运费券在折扣券之后抵扣，只抵运费",
    ]
    assert words([one(1, "percent")]) == ["第1张：折扣券先抵扣，按用券前的金额打折"]
    assert words([one(1, "percent")], off={1: 100}, groups=["x"]) == [
        "第1张：折扣券接在本单已用的券之后抵扣，按前面抵扣后的金额打折"
    ]


def test_a_place_that_is_not_had_is_explained() -> None:
    alone, lonely = one(1, "gift", stack_group=""), one(9, "amount", stack_group="")
    first, twin, other = one(3, "amount", stack_group="a"), one(4, "percent", stack_group="a"), one(5, "percent")
    assert words([alone, first])[1] == "第1张券不可与其他券同用"
    assert words([first, lonely])[1] == "此券不可与其他券同用"
    assert words([first, twin])[1] == "与第1张券同组，每单限用1张"
    assert words([first, twin], off={1: 5}, groups=["a"]) == ["不能与本单已用的券同时使用"] * 2
    assert words([one(6, "amount", amount_fen=9999), other], BASKET[:1])[1] == "可抵扣的金额已被前面的券抵完"
    assert words([first, one(7, "gift")], BASKET[:1])[1] == "订单中没有可兑换的商品，兑换商品：MUG"
    assert words([first, one(8, "threshold", threshold_fen=9000)])[1] == "还差¥40.00，满¥90可用"


def test_a_coupon_that_is_over_stands_in_nobodys_way() -> None:
    over = card(one(1, "gift", stack_group="a"))._replace(valid_to=NOW)
    good = card(one(2, "amount", stack_group="a"))
    found = together.beside([over, good], BASKET, place=PLACE, at=NOW)
    assert [(turn.coupon.coupon_id, turn.position) for turn in found.turns] == [(2, 1), (1, 0)]
    assert isinstance(found.turns[1].refusal, errors.CouponExpired)
