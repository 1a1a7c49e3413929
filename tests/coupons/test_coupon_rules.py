from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.coupons import errors, rules
from app.coupons.rules import Line, Terms

NOW = datetime(2026, 3, 10, 4, 30, tzinfo=UTC)  # 12:30 in Shanghai


def terms(kind: str = "amount", **values: object) -> Terms:
    defaults: dict[str, object] = {"amount_fen": 500, "valid_days": 7}
    if kind == "threshold":
        defaults |= {"threshold_fen": 1000}
    if kind == "percent":
        defaults |= {"percent_bp": 2000}
    if kind == "gift":
        defaults |= {"gift_skus": frozenset({"MUG"})}
    return Terms(kind=kind, **(defaults | values))  # type: ignore[arg-type]


def line(no: int, fen: int, *, sku: str = "A", category: str = "shoes", quantity: int = 1) -> Line:
    return Line(no, sku, category, quantity, fen)


def test_an_amount_is_taken_off_and_split_by_largest_remainder() -> None:
    assert rules.quote(terms(), [line(1, 1000), line(2, 500)]) == (500, ((1, 333), (2, 167)))


def test_a_discount_is_never_more_than_the_order_costs() -> None:
    assert rules.quote(terms(amount_fen=99_999), [line(1, 300), line(2, 0)]) == (300, ((1, 300),))


def test_a_threshold_counts_goods_only() -> None:
    coupon = terms("threshold", threshold_fen=1000, amount_fen=200)
    assert rules.quote(coupon, [line(1, 1000)]).discount_fen == 200
    with pytest.raises(errors.ThresholdNotMet) as refused:
        rules.quote(coupon, [line(1, 950), line(2, 600, category="shipping")])
    assert refused.value.data == {"threshold_fen": 1000, "short_fen": 50}


def test_a_percentage_is_capped() -> None:
    assert rules.quote(terms("percent"), [line(1, 1005)]).discount_fen == 201
    assert rules.quote(terms("percent", cap_fen=100), [line(1, 1005)]).discount_fen == 100


def test_a_gift_is_one_unit_of_the_dearest_gift_line() -> None:
    basket = [line(1, 5000), line(2, 900, sku="MUG", quantity=3), line(3, 400, sku="MUG")]
    assert rules.quote(terms("gift"), basket) == (400, ((3, 400),))
    with pytest.raises(errors.CouponNotApplicable):
        rules.quote(terms("gift"), [line(1, 5000)])


def test_gifts_on_one_line_take_what_they_would_on_lines_of_their_own() -> None:
    """However the till writes three mugs."""
    for basket in ([line(1, 9_000, sku="MUG", quantity=3)], [line(no, 3_000, sku="MUG") for no in (1, 2, 3)]):
        left, taken = basket, []
        for _ in range(3):
            quote = rules.quote(terms("gift"), left, whole=basket)
            left, taken = rules.after(left, quote), [*taken, quote.discount_fen]
        assert taken == [3_000, 3_000, 3_000]
        with pytest.raises(errors.CouponNotApplicable):
            rules.quote(terms("gift"), left, whole=basket)


def test_a_gift_whose_line_is_paid_for_leaves_the_next_one() -> None:
    basket = [line(1, 2_000, sku="MUG"), line(2, 900, sku="MUG")]
    left = rules.less(basket, {1: 1_500})
    assert rules.quote(terms("gift"), left, whole=basket) == (900, ((2, 900),))


def test_shipping_is_paid_up_to_the_amount() -> None:
    basket = [line(1, 5000), line(2, 1200, category="shipping")]
    assert rules.quote(terms("shipping", amount_fen=0), basket) == (1200, ((2, 1200),))
    assert rules.quote(terms("shipping", amount_fen=800), basket) == (800, ((2, 800),))
    with pytest.raises(errors.CouponNotApplicable):
        rules.quote(terms("shipping"), [line(1, 5000)])


@pytest.mark.parametrize("basket", [[], [line(1, 0)]])
def test_an_empty_order_gets_no_discount(basket: list[Line]) -> None:
    with pytest.raises(errors.CouponNotApplicable):
        rules.quote(terms(), basket)


kinds = st.sampled_from(rules.KINDS)
baskets = st.lists(
    st.tuples(
        st.sampled_from(["A", "MUG"]), st.sampled_from(["shoes", "shipping"]), st.integers(1, 5), st.integers(0, 10**7)
    ),
    max_size=8,
).map(lambda rows: [Line(no, *row) for no, row in enumerate(rows, 1)])


@given(kind=kinds, basket=baskets, amount=st.integers(1, 10**7), cap=st.none() | st.integers(1, 10**6))
def test_a_quote_is_positive_bounded_and_adds_up(kind: str, basket: list[Line], amount: int, cap: int | None) -> None:
    try:
        quote = rules.quote(terms(kind, amount_fen=amount, cap_fen=cap), basket)
    except (errors.ThresholdNotMet, errors.CouponNotApplicable):
        return
    cost = {one.line_no: one.amount_fen for one in basket}
    assert 0 < quote.discount_fen <= sum(cost.values())
    assert cap is None or quote.discount_fen <= cap
    assert sum(fen for _, fen in quote.lines) == quote.discount_fen
    assert all(0 < fen <= cost[line_no] for line_no, fen in quote.lines)


@given(weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=30), data=st.data())
def test_a_split_sums_and_is_within_one_of_the_exact_share(weights: list[int], data: st.DataObject) -> None:
    whole = sum(weights)
    total = data.draw(st.integers(0, whole))
    shares = rules.split(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert 0 <= share <= weight
        assert whole == 0 or abs(share * whole - total * weight) < whole


@given(discount=st.integers(1, 10**9), hq_bp=st.integers(0, 10_000), of=st.integers(0, 10_000), dealer=st.booleans())
def test_cost_shares_sum_to_the_discount(discount: int, hq_bp: int, of: int, dealer: bool) -> None:
    shared = terms(hq_bp=hq_bp, supplier="某某乳业" if of else "", supplier_bp=of)
    cost = rules.cost_share(discount, shared, dealer=dealer)
    assert sum(cost) == discount and min(cost) >= 0
    assert dealer or cost.dealer == 0
    assert of or cost.supplier == 0
    assert abs(cost.supplier * 10_000 - discount * of) <= 5_000


def test_a_supplier_pays_first_and_headquarters_share_the_rest_with_the_dealer() -> None:
    half = terms(hq_bp=6000, supplier="某某乳业", supplier_bp=5000)
    assert rules.cost_share(1000, half, dealer=True) == (300, 200, 500)
    assert rules.cost_share(1000, half, dealer=False) == (500, 0, 500)


def test_days_are_local_days() -> None:
    start, end = rules.window(terms(valid_days=1), NOW) or (None, None)
    assert (start, end) == (NOW, datetime(2026, 3, 10, 16, tzinfo=UTC))
    start, end = rules.window(terms(valid_days=2, wait_days=1), NOW) or (None, None)
    assert start == datetime(2026, 3, 10, 16, tzinfo=UTC) and end == start + timedelta(days=2)


def test_the_fixed_window_cuts_the_days() -> None:
    fixed = terms(starts_at=NOW + timedelta(hours=1), ends_at=NOW + timedelta(hours=2))
    assert rules.window(fixed, NOW) == (NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    assert rules.window(fixed, NOW + timedelta(hours=2)) is None
    assert rules.window(terms(ends_at=NOW + timedelta(days=1), wait_days=3), NOW) is None


def test_terms_that_were_stored_without_bounds_end_where_dates_do() -> None:
    stored = terms().stored() | {"starts_at": "0001-01-01T00:00:00+00:00", "ends_at": "9999-12-31T23:59:59-05:00"}
    read = Terms.of(stored)
    assert (read.starts_at, read.ends_at) == (rules.EARLIEST, rules.LATEST)
    for year in (26, 1990, 2150):  # both on one side: over, or not begun
        stored |= {"starts_at": f"{year:04}-01-01T00:00:00+00:00", "ends_at": f"{year:04}-12-31T00:00:00+00:00"}
        read = Terms.of(stored)
        assert read.starts_at is not None and read.ends_at is not None and read.starts_at < read.ends_at
        assert rules.window(read, NOW) is None or year > 2100


def test_terms_survive_their_stored_form() -> None:
    whole = terms("gift", store_ids=frozenset({3, 1}), starts_at=NOW, ends_at=NOW + timedelta(days=9), cap_fen=7)
    assert Terms.of(whole.stored()) == whole


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "free"},
        {"kind": "amount", "amount_fen": 0},
        {"kind": "threshold", "threshold_fen": 0},
        {"kind": "percent", "percent_bp": 10_001},
        {"kind": "gift", "gift_skus": frozenset()},
        {"hq_bp": 10_001},
        {"per_member": 0},
        {"valid_days": None},
        {"wait_days": -1},
    ],
)
def test_terms_that_promise_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="coupon terms"):
        terms(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"status": "redeemed"}, errors.CouponRedeemed),
        ({"status": "voided"}, errors.CouponVoided),
        ({"status": "expired"}, errors.CouponExpired),
        ({"valid_to": NOW}, errors.CouponExpired),
        ({"valid_from": NOW + timedelta(seconds=1)}, errors.CouponNotYetValid),
        (
            {"status": "locked", "locked_order": "O2", "locked_until": NOW + timedelta(seconds=1)},
            errors.CouponLocked,
        ),
        ({"status": "locked", "locked_order": "O2", "locked_until": NOW}, None),
        ({"status": "locked", "locked_order": "O1", "locked_until": NOW + timedelta(hours=1)}, None),
        ({"status": "returned"}, None),
        ({}, None),
    ],
)
def test_a_state_says_why_it_is_not_usable(state: dict[str, object], error: type[Exception] | None) -> None:
    fresh = {"status": "claimed", "valid_from": NOW - timedelta(days=1), "valid_to": NOW + timedelta(days=1)}
    coupon = SimpleNamespace(**({"locked_order": None, "locked_until": None} | fresh | state))
    if error is None:
        rules.check_usable(coupon, holder="O1", at=NOW)
    else:
        with pytest.raises(error):
            rules.check_usable(coupon, holder="O1", at=NOW)
