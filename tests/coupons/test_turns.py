"""Several coupons of one order in their turns: the same answer however they are told."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from order_turns import BASKET, baskets, one, told, wallets

from app.coupons import rules
from app.coupons.rules import Candidate, Line


@given(coupons=wallets(), lines=baskets, seed=st.randoms(use_true_random=False), used=st.booleans())
def test_any_permutation_gives_the_same(
    coupons: list[Candidate], lines: list[Line], seed: random.Random, used: bool
) -> None:
    before: dict[str, Any] = {"off": {1: lines[0].amount_fen // 2}, "groups": ["a"]} if used else {}
    turns = rules.take_turns(coupons, lines, **before)
    again = rules.take_turns(seed.sample(coupons, len(coupons)), lines, **before)
    assert told(turns) == told(again) and (turns.whole, turns.left) == (again.whole, again.left)
    # What stands in it adds up, and no two that take off exclude each other.
    taken = [turn for turn in turns.turns if turn.position]
    assert [turn.position for turn in taken] == list(range(1, len(taken) + 1))
    assert sum(turn.quote.discount_fen for turn in taken) == turns.discount_fen == sum(dict(turns.lines).values())
    assert turns.payable_fen == sum(line.amount_fen for line in turns.whole) - turns.discount_fen >= 0
    groups = [*before.get("groups", []), *(turn.coupon.terms.stack_group for turn in taken)]
    assert len(groups) < 2 or ("" not in groups and len(set(groups)) == len(groups))


def test_each_takes_off_what_those_before_it_left() -> None:
    gift, threshold, percent = one(1, "gift"), one(2, "threshold", threshold_fen=5000), one(3, "percent")
    turns = rules.take_turns([percent, threshold, gift], BASKET)
    # The goods cost 50 yuan before coupons, 45 once the gift is off: the threshold of 50 is met all the same.
    assert [turn.quote.discount_fen for turn in turns.turns] == [500, 1000, (5000 - 1500) // 10]
    assert turns.payable_fen == 5800 - 1850


def test_a_coupon_that_takes_off_nothing_stands_in_nobodys_way() -> None:
    spent, short = one(1, "amount", stack_group="a", budget_left=499), one(2, "threshold", threshold_fen=9000)
    turns = rules.take_turns([spent, short, one(3, "percent", stack_group="a")], BASKET)
    assert [(turn.coupon.coupon_id, turn.position, turn.refusal and turn.refusal.code) for turn in turns.turns] == [
        (2, 0, "threshold_not_met"),
        (1, 0, "budget_spent"),
        (3, 1, None),
    ]
