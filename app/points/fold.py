"""What a merge of two members does to the ledger, and a split undoes.

Nothing in the ledger moves: worth is carried over by journals of kind `merge`, that take from one member what they give
to the other. A lot keeps its id and its end, so a split finds what is left of it. Growth arrives piece by piece, each
dated as the journal that first gave it, so any window of time counts what it would have counted; it leaves in one sum,
as nobody looks at the window of a merged member, and a split cancels that sum at its own moment. A piece remembers
whose it was in the beginning: parting two members takes along what either had been given by merges before.

Debt is a negative part of a balance that no lot stands for. Members who become one pay what one owes from what the
other has (`_settle`); a split first takes that payment back, so untouched wallets are what they were.

Every step asks what is there now, under the lock of both members' balances, so doing it again moves what came late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from app.core import clock, context, ids
from app.core.db import session
from app.members.family import Homecoming

from .models import GROWTH, POINTS

_NO_GROWTH = {"g_member": 0, "g_other": 0, "g_sign": 1} | dict.fromkeys(
    ("g_id", "g_at", "g_origin", "g_root", "g_amount"), "{}"
)
_LINES = 30_000  # of a journal: their numbers are small integers

_LOCK = text("""
SELECT member_id, currency, amount FROM balance
WHERE brand_id = :brand_id AND member_id = ANY (CAST(:members AS bigint[]))
ORDER BY member_id, currency FOR UPDATE
""")

_LOTS = text("""
SELECT member_id, lot_id, remaining, expires_at, coalesce(origin_member_id, member_id) AS origin_id FROM lot
WHERE brand_id = :brand_id AND member_id = ANY (CAST(:members AS bigint[])) AND remaining > 0
ORDER BY member_id, expires_at NULLS LAST, lot_id
""")

# What merges did to debts: what each origin brought (no lot), and what of each lot was used to pay.
_DEBTS = text("""
SELECT j.member_id, j.origin_member_id, p.lot_id, sum(p.amount)::bigint AS amount
FROM journal j
JOIN posting p ON p.brand_id = j.brand_id AND p.member_id = j.member_id AND p.journal_id = j.journal_id
WHERE j.brand_id = :brand_id AND j.member_id = ANY (CAST(:members AS bigint[])) AND j.currency = 'points'
  AND j.kind = 'merge' AND p.account = 'member'
  AND (j.cause LIKE 'settle:%' AND p.lot_id IS NOT NULL OR j.origin_member_id IS NOT NULL)
GROUP BY 1, 2, 3
HAVING sum(p.amount) <> 0
""")

# The pieces of growth the source has to give, as arrays: they go back as they came, nobody here looks into them. To the
# winner of a merge goes what it does not have yet; home goes what some origins brought, and the sums (without a root)
# in which the target lost it are told as well, each by its moment.
_GROWTH = """
WITH pieces AS (
    SELECT j.member_id, coalesce(j.origin_member_id, j.member_id) AS origin_id,
           CASE WHEN j.kind = 'merge' THEN j.origin_journal_id ELSE j.journal_id END AS root_id, j.at,
           sum(p.amount)::bigint AS amount
    FROM journal j
    JOIN posting p ON p.brand_id = j.brand_id AND p.member_id = j.member_id AND p.journal_id = j.journal_id
    WHERE j.brand_id = :brand_id AND j.member_id = ANY (CAST(:members AS bigint[])) AND j.currency = 'growth'
      AND p.account = 'member'
    GROUP BY 1, 2, 3, 4
    HAVING sum(p.amount) <> 0
)
SELECT CASE WHEN p.root_id IS NULL THEN p.at END AS lost_at, count(*) AS count, sum(p.amount)::bigint AS total,
       array_agg(p.at)::text AS at, array_agg(p.origin_id)::text AS origin, array_agg(p.root_id)::text AS root,
       array_agg(p.amount)::text AS amount
FROM (SELECT *, bool_or(member_id = :target_id) OVER (PARTITION BY origin_id, root_id) AS there FROM pieces) p
WHERE {}
GROUP BY 1
"""
_GROWTH_AWAY = text(_GROWTH.format("""p.member_id = :source_id AND p.root_id IS NOT NULL AND NOT p.there"""))
_GROWTH_HOME = text(
    _GROWTH.format("""p.member_id = :source_id AND p.root_id IS NOT NULL
        AND p.origin_id = ANY (CAST(:origins AS bigint[])) OR p.member_id = :target_id AND p.root_id IS NULL""")
)

_WRITE = text("""
WITH growth AS (
    SELECT journal_id, at, origin_id, root_id, CAST(:g_sign AS integer) * amount AS amount
    FROM unnest(CAST(:g_id AS bigint[]), CAST(:g_at AS timestamptz[]), CAST(:g_origin AS bigint[]),
                CAST(:g_root AS bigint[]), CAST(:g_amount AS bigint[]))
        AS g (journal_id, at, origin_id, root_id, amount)
), entries AS (
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id, origin_member_id,
                         origin_journal_id, other_member_id, merge_id)
    SELECT CAST(:brand_id AS bigint), member_id, journal_id, currency, 'merge', cause || journal_id, at,
           :correlation_id, origin_id, CAST(NULL AS bigint), other_id, CAST(:merge_id AS bigint)
    FROM unnest(CAST(:j_member AS bigint[]), CAST(:j_id AS bigint[]), CAST(:j_currency AS text[]),
                CAST(:j_cause AS text[]), CAST(:j_at AS timestamptz[]), CAST(:j_origin AS bigint[]),
                CAST(:j_other AS bigint[]))
        AS j (member_id, journal_id, currency, cause, at, origin_id, other_id)
    UNION ALL
    SELECT :brand_id, :g_member, journal_id, 'growth', 'merge', 'transfer:' || journal_id, at, :correlation_id,
           origin_id, root_id, :g_other, :merge_id
    FROM growth
), lines AS (
    INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
    SELECT CAST(:brand_id AS bigint), member_id, journal_id, line, account, lot_id, amount
    FROM unnest(CAST(:p_member AS bigint[]), CAST(:p_journal AS bigint[]), CAST(:p_line AS smallint[]),
                CAST(:p_account AS text[]), CAST(:p_lot AS bigint[]), CAST(:p_amount AS bigint[]))
        AS p (member_id, journal_id, line, account, lot_id, amount)
    UNION ALL
    SELECT :brand_id, :g_member, journal_id, line, account, NULL, sign * amount
    FROM growth, (VALUES (1, 'member', 1), (2, 'merged', -1)) AS side (line, account, sign)
), drawn AS (
    UPDATE lot SET remaining = lot.remaining + l.amount
    FROM unnest(CAST(:less_member AS bigint[]), CAST(:less_lot AS bigint[]), CAST(:less_amount AS bigint[]))
        AS l (member_id, lot_id, amount)
    WHERE lot.brand_id = :brand_id AND lot.member_id = l.member_id AND lot.lot_id = l.lot_id
), filled AS (
    INSERT INTO lot (brand_id, member_id, lot_id, journal_id, earned, remaining, expires_at, origin_member_id)
    SELECT :brand_id, member_id, lot_id, journal_id, amount, amount, expires_at, nullif(origin_id, member_id)
    FROM unnest(CAST(:more_member AS bigint[]), CAST(:more_lot AS bigint[]), CAST(:more_journal AS bigint[]),
                CAST(:more_amount AS bigint[]), CAST(:more_end AS timestamptz[]), CAST(:more_origin AS bigint[]))
        AS l (member_id, lot_id, journal_id, amount, expires_at, origin_id)
    ON CONFLICT (brand_id, member_id, lot_id) DO UPDATE
    SET remaining = lot.remaining + excluded.remaining,
        earned = greatest(lot.earned, lot.remaining + excluded.remaining)
)
INSERT INTO balance AS b (brand_id, member_id, currency, amount, floor, owed)
SELECT :brand_id, member_id, currency, amount, 0, greatest(0, -amount)
FROM unnest(CAST(:b_member AS bigint[]), CAST(:b_currency AS text[]), CAST(:b_amount AS bigint[]))
    AS n (member_id, currency, amount)
ON CONFLICT (brand_id, member_id, currency) DO UPDATE
SET amount = b.amount + excluded.amount, owed = greatest(0, b.floor - b.amount - excluded.amount)
""")


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    """Carry all that the loser has to the winner: lots with their ends, debts, growth with its dates."""
    _carry(brand_id, loser_id, winner_id, merge_id, origins=None)


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    """Carry back what is left of what the loser brought, and of what others had brought the loser before."""
    _carry(brand_id, home.root, loser_id, merge_id, origins=home.origins)


def _carry(brand_id: int, source_id: int, target_id: int, merge_id: int, *, origins: Sequence[int] | None) -> None:
    both = {"brand_id": brand_id, "members": [source_id, target_id]}
    locked = {(row.member_id, row.currency): row.amount for row in session.execute(_LOCK, both)}
    if source_id == target_id or (source_id, POINTS) not in locked and (source_id, GROWTH) not in locked:
        return
    wallets = {one: _Wallet(one, locked.get((one, POINTS), 0)) for one in (source_id, target_id)}
    for row in session.execute(_LOTS, both):
        wallets[row.member_id].lots[row.lot_id] = _Lot(row.lot_id, row.remaining, row.expires_at, row.origin_id)
        wallets[row.member_id].debt -= row.remaining
    for row in session.execute(_DEBTS, both):
        if row.lot_id is None:
            wallets[row.member_id].brought[row.origin_member_id] = row.amount
        else:
            wallets[row.member_id].paid[row.lot_id] = -row.amount
    book = _Book()
    source, target = wallets[source_id], wallets[target_id]
    _take_back(book, brand_id, source)
    _carry_lots(book, source, target, origins)
    _carry_debts(book, source, target, origins)
    for wallet in (source, target):
        _settle(book, wallet)
    statement = _GROWTH_AWAY if origins is None else _GROWTH_HOME
    asked = both | {"source_id": source_id, "target_id": target_id, "origins": list(origins or ())}
    growth = session.execute(statement, asked).all()
    going = next((row for row in growth if row.lost_at is None), None)
    if going is not None and origins is None:
        _growth_away(book, source_id, target_id, going)
    elif going is not None:
        _growth_home(book, source_id, target_id, going, [row for row in growth if row.lost_at is not None])
    book.write(brand_id, merge_id)


@dataclass
class _Lot:
    lot_id: int
    remaining: int
    expires_at: datetime | None
    origin_id: int


@dataclass
class _Wallet:
    """A member's points. `debt` (zero or below) is what of the balance no lot stands for; `brought` the debts others
    came with, by member; `paid` what of each lot went for debts of a merge.
    """

    member_id: int
    debt: int
    lots: dict[int, _Lot] = field(default_factory=dict)
    brought: dict[int, int] = field(default_factory=dict)
    paid: dict[int, int] = field(default_factory=dict)


def _take_back(book: _Book, brand_id: int, wallet: _Wallet) -> None:
    """Give the lots what was taken from them for debts of a merge; the debts stand again."""
    if not wallet.paid:
        return
    rows = session.execute(
        text("""
        SELECT lot_id, expires_at, coalesce(origin_member_id, member_id) AS origin_id FROM lot
        WHERE brand_id = :brand_id AND member_id = :member_id AND lot_id = ANY (CAST(:lots AS bigint[]))
        """),
        {"brand_id": brand_id, "member_id": wallet.member_id, "lots": list(wallet.paid)},
    )
    for row in rows:
        lot = wallet.lots.setdefault(row.lot_id, _Lot(row.lot_id, 0, row.expires_at, row.origin_id))
        lot.remaining += wallet.paid[row.lot_id]
    wallet.debt -= sum(wallet.paid.values())
    book.within(wallet.member_id, wallet.paid)


def _settle(book: _Book, wallet: _Wallet) -> None:
    """Pay debt from lots, those that end first before the others."""
    parts: dict[int, int] = {}
    for lot in sorted(wallet.lots.values(), key=lambda one: (one.expires_at is None, one.expires_at, one.lot_id)):
        part = min(lot.remaining, -wallet.debt)
        if part > 0:
            parts[lot.lot_id] = -part
            lot.remaining -= part
            wallet.debt += part
    book.within(wallet.member_id, parts)


def _carry_lots(book: _Book, source: _Wallet, target: _Wallet, origins: Sequence[int] | None) -> None:
    going = [one for one in source.lots.values() if one.remaining and (origins is None or one.origin_id in origins)]
    for start in range(0, len(going), _LINES):
        parts = going[start : start + _LINES]
        book.transfer(source.member_id, target.member_id, [(one.lot_id, one.remaining) for one in parts], clock.now())
    for lot in going:
        book.known(target.member_id, lot)
        there = target.lots.setdefault(lot.lot_id, _Lot(lot.lot_id, 0, lot.expires_at, lot.origin_id))
        there.remaining += lot.remaining
        lot.remaining = 0


def _carry_debts(book: _Book, source: _Wallet, target: _Wallet, origins: Sequence[int] | None) -> None:
    """Debts go by whose they were. What was paid meanwhile is owed by nobody, those who came last are served first."""
    left = -source.debt
    shares = {origin: -amount for origin, amount in source.brought.items() if amount < 0}
    if origins is None:
        shares[source.member_id] = left - sum(shares.values())
    for origin, share in shares.items():
        part = min(share, left)
        if part > 0 and (origins is None or origin in origins):
            book.transfer(source.member_id, target.member_id, [(None, -part)], clock.now(), origin)
            source.debt += part
            target.debt -= part
            left -= part


def _growth_away(book: _Book, source_id: int, target_id: int, going: Any) -> None:
    """Give the target every piece it does not have yet; the source loses their sum now."""
    book.pieces(target_id, source_id, going, 1)
    if going.total:
        book.one_side(source_id, target_id, -going.total, clock.now())


def _growth_home(book: _Book, source_id: int, target_id: int, going: Any, lost: Sequence[Any]) -> None:
    """Take the pieces of some origins from the source, and take back the sums in which the target lost them."""
    book.pieces(source_id, target_id, going, -1)
    if not going.total:
        return
    for one in lost:
        book.one_side(target_id, source_id, -one.total, one.lost_at)
    left = going.total + sum(one.total for one in lost)
    if left:
        book.one_side(target_id, source_id, left, clock.now())


@dataclass
class _Book:
    """Journals, postings and what they do to lots and balances, gathered to be written by one statement."""

    journals: list[tuple[Any, ...]] = field(default_factory=list)
    postings: list[tuple[Any, ...]] = field(default_factory=list)
    lots: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    filled_by: dict[tuple[int, int], int] = field(default_factory=dict)
    facts: dict[tuple[int, int], _Lot] = field(default_factory=dict)
    balances: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    growth: dict[str, Any] = field(default_factory=lambda: dict(_NO_GROWTH))

    def transfer(
        self,
        source_id: int,
        target_id: int,
        parts: Sequence[tuple[int | None, int]],
        at: datetime,
        origin_id: int | None = None,
    ) -> None:
        """A pair of journals of points over parts (lot or None, amount): what the source gives, the target gets."""
        for member_id, other_id, sign in ((source_id, target_id, -1), (target_id, source_id, 1)):
            lines = [("member", lot_id, sign * amount) for lot_id, amount in parts]
            lines.append(("merged", None, -sign * sum(amount for _, amount in parts)))
            self._journal(member_id, POINTS, "transfer:", at, lines, origin_id, other_id)

    def one_side(
        self,
        member_id: int,
        other_id: int,
        amount: int,
        at: datetime,
    ) -> None:
        """A journal of growth that one member gets from another (below zero: gives)."""
        lines = [("member", None, amount), ("merged", None, -amount)]
        self._journal(member_id, GROWTH, "transfer:", at, lines, other_id=other_id)

    def pieces(self, member_id: int, other_id: int, going: Any, sign: int) -> None:
        """A journal for each piece of growth that one member gets from another (`sign` below zero: gives)."""
        self.growth = {
            "g_member": member_id,
            "g_other": other_id,
            "g_sign": sign,
            "g_id": _array(ids.new_ids(going.count)),
            **{f"g_{name}": getattr(going, name) for name in ("at", "origin", "root", "amount")},
        }
        self.balances[member_id, GROWTH] += sign * going.total

    def within(self, member_id: int, parts: dict[int, int]) -> None:
        """A journal between a member's lots and debt, which leaves the balance as it is."""
        if parts:
            lines: list[tuple[str, int | None, int]] = [("member", lot_id, amount) for lot_id, amount in parts.items()]
            lines.append(("member", None, -sum(parts.values())))
            self._journal(member_id, POINTS, "settle:", clock.now(), lines)

    def known(self, member_id: int, lot: _Lot) -> None:
        """Remember the end and the origin of a lot that may be new to a member."""
        self.facts[member_id, lot.lot_id] = lot

    def _journal(
        self,
        member_id: int,
        currency: str,
        cause: str,
        at: datetime,
        lines: Iterable[tuple[str, int | None, int]],
        origin_id: int | None = None,
        other_id: int | None = None,
    ) -> None:
        journal_id = ids.new_id()
        self.journals.append((member_id, journal_id, currency, cause, at, origin_id, other_id))
        for line, (account, lot_id, amount) in enumerate(lines, 1):
            self.postings.append((member_id, journal_id, line, account, lot_id, amount))
            if account == "member":
                self.balances[member_id, currency] += amount
            if lot_id is not None:
                self.lots[member_id, lot_id] += amount
                self.filled_by[member_id, lot_id] = journal_id

    def write(self, brand_id: int, merge_id: int) -> None:
        if not self.journals and self.growth == _NO_GROWTH:
            return
        less = [(*key, amount) for key, amount in self.lots.items() if amount < 0]
        more = []
        for key, amount in self.lots.items():
            fact = self.facts.get(key)
            if amount > 0 or (amount == 0 and fact):  # what came and was used for debt at once leaves its lot as well
                end, origin = (fact.expires_at, fact.origin_id) if fact else (None, None)
                more.append((*key, self.filled_by[key], amount, end, origin))
        balances = [(*key, amount) for key, amount in self.balances.items() if amount]
        columns = {
            ("j_member", "j_id", "j_currency", "j_cause", "j_at", "j_origin", "j_other"): self.journals,
            ("p_member", "p_journal", "p_line", "p_account", "p_lot", "p_amount"): self.postings,
            ("less_member", "less_lot", "less_amount"): less,
            ("more_member", "more_lot", "more_journal", "more_amount", "more_end", "more_origin"): more,
            ("b_member", "b_currency", "b_amount"): balances,
        }
        values: dict[str, Any] = {
            name: _array(row[i] for row in rows) for names, rows in columns.items() for i, name in enumerate(names)
        }
        session.execute(
            _WRITE,
            {
                "brand_id": brand_id,
                "merge_id": merge_id,
                "correlation_id": context.correlation_id(),
                **self.growth,
                **values,
            },
        )


def _array(values: Iterable[Any]) -> str:
    """Numbers, moments and plain names as an array of PostgreSQL's own spelling: thousands are sent, and the driver
    takes several times as long to write them one by one.
    """
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"
