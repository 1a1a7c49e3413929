from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from invariants import broken
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from app.core.db import session
from app.core.transaction import transaction
from app.points import commands, queries
from app.points.errors import NotEnough
from app.points.models import Balance, Journal, Lot, Posting

pytestmark = pytest.mark.usefixtures("app")

BRAND, MEMBER = 1, 7
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


def earn(amount: int, cause: str, *, expires_in: int | None = None, currency: str = "points") -> bool:
    with transaction():
        balance = commands.earn(
            brand_id=BRAND,
            member_id=MEMBER,
            currency=currency,
            amount=amount,
            cause=cause,
            at=NOW,
            expires_at=None if expires_in is None else NOW + timedelta(days=expires_in),
        )
    return balance is not None


def spend(amount: int, cause: str, *, at: datetime = NOW) -> bool:
    with transaction():
        return commands.spend(brand_id=BRAND, member_id=MEMBER, amount=amount, cause=cause, at=at)


def points() -> int:
    return queries.balances(BRAND, MEMBER)["points"]


def lots() -> dict[int, int]:
    """earned -> remaining, as the tests give every lot another size."""
    return {lot.earned: lot.remaining for lot in session.scalars(select(Lot).execution_options(populate_existing=True))}


def test_a_cause_earns_once() -> None:
    assert earn(100, "gift:a")
    assert not earn(100, "gift:a")
    assert not earn(999, "gift:a")
    assert earn(30, "gift:a", currency="growth")
    assert queries.balances(BRAND, MEMBER) == {"points": 100, "growth": 30}
    assert broken("points.") == []


def test_an_amount_of_zero_is_journalled_without_postings() -> None:
    assert earn(0, "order:2")
    assert not earn(0, "order:2")
    assert points() == 0
    assert session.scalars(select(Posting)).all() == []


def test_lots_are_spent_earliest_expiry_first() -> None:
    earn(100, "a", expires_in=30)
    earn(50, "b", expires_in=10)
    earn(70, "c")  # never expires: spent last
    assert spend(120, "gift:1")
    assert lots() == {100: 30, 50: 0, 70: 70}
    assert spend(60, "gift:2")
    assert lots() == {100: 0, 50: 0, 70: 40}
    assert points() == 40
    assert broken("points.") == []


def test_spending_is_done_once_and_never_below_the_floor() -> None:
    earn(100, "a")
    assert spend(60, "gift:1")
    assert not spend(60, "gift:1")
    with pytest.raises(NotEnough):
        spend(41, "gift:2")
    assert points() == 40
    assert spend(40, "gift:3")
    with pytest.raises(NotEnough):
        spend(1, "gift:4")


def test_nobody_spends_what_was_never_earned() -> None:
    with pytest.raises(NotEnough):
        spend(1, "gift:1")


def test_expired_points_cannot_be_spent() -> None:
    earn(100, "a", expires_in=5)
    earn(20, "b", expires_in=50)
    later = NOW + timedelta(days=6)
    with pytest.raises(NotEnough):
        spend(21, "gift:1", at=later)
    assert spend(20, "gift:2", at=later)
    assert points() == 0
    assert broken("points.") == []


def test_expiry_books_each_lot_out_once() -> None:
    earn(100, "a", expires_in=5)
    earn(20, "b", expires_in=50)
    spend(30, "gift:1")
    later = NOW + timedelta(days=5)
    assert queries.members_with_expired_lots(BRAND, later, 10) == [MEMBER]
    with transaction():
        assert commands.expire(brand_id=BRAND, member_ids=[MEMBER, 99], at=later) == 1
    with transaction():
        assert commands.expire(brand_id=BRAND, member_ids=[MEMBER], at=later) == 0
    assert points() == 20
    assert queries.members_with_expired_lots(BRAND, later, 10) == []
    assert broken("points.") == []


def test_debt_is_paid_by_the_next_earning() -> None:
    earn(10, "a")
    with transaction():
        session.execute(update(Balance).values(floor=-50))
    spend(40, "gift:1")
    assert points() == -30
    with pytest.raises(NotEnough):
        spend(21, "gift:2")
    earn(25, "b")  # all of it goes into the debt
    assert (points(), lots()) == (-5, {10: 0, 25: 0})
    earn(30, "c")
    assert (points(), lots()) == (25, {10: 0, 25: 0, 30: 25})
    assert broken("points.") == []


def test_history_shows_gains_and_losses_newest_first() -> None:
    for number in range(5):
        earn(10 + number, f"order:{number}")
    spend(12, "gift:1")
    first = queries.history(BRAND, MEMBER, limit=4)
    rest = queries.history(BRAND, MEMBER, before=(first[-1].at, first[-1].journal_id), limit=4)
    assert [entry.amount for entry in [*first, *rest]] == [-12, 14, 13, 12, 11, 10]


def test_growth_counts_from_a_moment() -> None:
    earn(10, "a", currency="growth")
    assert queries.growth_since(BRAND, MEMBER, NOW - timedelta(days=1)) == 10
    assert queries.growth_since(BRAND, MEMBER, NOW) == 0
    assert queries.growth_of(BRAND, [MEMBER, 8], NOW - timedelta(days=1)) == {MEMBER: 10, 8: 0}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET cause = 'other'",
        "DELETE FROM journal",
        "UPDATE posting SET amount = amount + 1",
        "DELETE FROM posting",
    ],
)
def test_the_ledger_refuses_changes(statement: str) -> None:
    earn(10, "a")
    with pytest.raises(IntegrityError, match="append-only"), transaction():
        session.execute(text(statement))


def test_a_journal_that_does_not_balance_cannot_be_committed() -> None:
    with pytest.raises(IntegrityError, match="is off by 5"), transaction():
        journal = Journal(
            brand_id=BRAND,
            member_id=MEMBER,
            journal_id=1,
            currency="points",
            kind="adjust",
            cause="x",
            at=NOW,
            correlation_id="cor_x",
        )
        session.add(journal)
        session.flush()
        session.add(Posting(brand_id=BRAND, member_id=MEMBER, journal_id=1, line=1, account="member", amount=5))
        session.flush()


def test_a_balance_below_its_floor_is_refused_by_the_table() -> None:
    earn(10, "a")
    with pytest.raises(IntegrityError, match="ck_balance_floor"), transaction():
        session.execute(text("UPDATE balance SET amount = -1"))


def test_postings_need_their_journal() -> None:
    with pytest.raises(IntegrityError, match="journal 1 of these postings is not there"), transaction():
        key = {"brand_id": BRAND, "member_id": MEMBER, "journal_id": 1, "account": "member"}
        session.execute(insert(Posting).values([{**key, "line": 1, "amount": 5}, {**key, "line": 2, "amount": -5}]))
