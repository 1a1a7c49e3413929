"""Coupons and baskets without a database, for tests of what several coupons take off together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from app.coupons import rules
from app.coupons.rules import Candidate, Line, Terms

NOW = datetime(2026, 3, 10, 4, 30, tzinfo=UTC)
VALUES: dict[str, dict[str, Any]] = {
    "amount": {"amount_fen": 500},
    "threshold": {"amount_fen": 1000, "threshold_fen": 3000},
    "percent": {"percent_bp": 1000},
    "gift": {"gift_skus": frozenset({"MUG"})},
    "shipping": {},
}
BASKET = [
    Line(1, "A", "shoes", 1, 4000),
    Line(2, "MUG", "mugs", 2, 1000),
    Line(3, "POST", "shipping", 1, 800),
]


def terms(kind: str, **values: Any) -> Terms:
    return Terms(kind=kind, valid_days=7, **(VALUES[kind] | values))


def one(number: int, kind: str, *, days: int = 1, budget_left: int | None = None, **values: Any) -> Candidate:
    values.setdefault("stack_group", f"g{number}")
    return Candidate(number, NOW + timedelta(days=days), terms(kind, **values), budget_left)


def told(turns: rules.Turns) -> list[Any]:
    return [
        (turn.coupon, turn.position, turn.quote, turn.refusal and (turn.refusal.code, turn.refusal.data))
        for turn in turns.turns
    ]


@st.composite
def wallets(draw: st.DrawFn, most: int = 8) -> list[Candidate]:
    def coupon(number: int) -> Candidate:
        kind = draw(st.sampled_from(rules.KINDS))
        values: dict[str, Any] = {"stack_group": draw(st.sampled_from(["", "a", "b", "c", "d", "e"]))}
        if kind in ("amount", "threshold"):
            values["amount_fen"] = draw(st.integers(1, 6000))
        if kind == "percent":
            values["percent_bp"] = draw(st.integers(1, 10_000))
        values["threshold_fen"] = draw(st.integers(1, 7000)) if kind == "threshold" else draw(st.integers(0, 6000))
        budget = draw(st.none() | st.integers(0, 3000))
        return Candidate(number, NOW + timedelta(days=draw(st.integers(1, 3))), terms(kind, **values), budget)

    return [coupon(number) for number in range(1, draw(st.integers(1, most)) + 1)]


baskets = st.lists(
    st.tuples(
        st.sampled_from(["A", "MUG"]), st.sampled_from(["shoes", "shipping"]), st.integers(1, 3), st.integers(0, 9000)
    ),
    min_size=1,
    max_size=5,
).map(lambda rows: [Line(no, *row) for no, row in enumerate(rows, 1)])
