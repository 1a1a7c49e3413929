"""The lines and sums of a month: frozen ones of a closed month, or what an open month holds so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Row, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.core import clock
from app.core.db import session
from app.org import queries as org

from .errors import MonthUnknown
from .facts import FACTS
from .models import CouponMonth

# How long after a month was closed a fact of its time may still come in (an offline till's upload, a transaction that
# was under way); it then is a line of the first month that is open. A brand's doctor tells what came even later.
LATE = timedelta(days=100)
EARLIEST, LATEST = date(2000, 1, 1), date(2999, 12, 31)  # beyond these, days around a month are none any more

_FROZEN = """
    SELECT l.brand_id, l.store_id, l.redemption_id, l.kind, l.part, l.at, l.campaign_id, l.order_no, l.supplier,
           l.discount_fen, l.hq_fen, l.dealer_fen, l.supplier_fen
    FROM coupon_statement_line l
    WHERE l.brand_id = :brand_id AND l.month = :month AND (:everywhere OR l.store_id = ANY(:stores))
"""
_OPEN = f"""
    SELECT f.brand_id, f.store_id, f.redemption_id, f.kind, f.part, f.at, c.campaign_id, f.order_no, f.supplier,
           f.discount_fen, f.hq_fen, f.dealer_fen, f.supplier_fen
    FROM ({FACTS}) f
    JOIN coupon c ON c.brand_id = f.brand_id AND c.member_id = f.member_id AND c.coupon_id = f.coupon_id
    WHERE f.brand_id = :brand_id AND f.at >= :since AND f.at < :until AND f.discount_fen <> 0
      AND (:everywhere OR f.store_id = ANY(:stores))
      AND NOT EXISTS (SELECT FROM coupon_statement_line l
                      WHERE l.brand_id = f.brand_id AND l.store_id = f.store_id
                        AND l.redemption_id = f.redemption_id AND l.kind = f.kind AND l.part = f.part)
"""
_SUMS = """
    SELECT store_id, supplier, count(*) FILTER (WHERE kind = 'redeemed') AS used,
           count(*) FILTER (WHERE kind <> 'redeemed') AS back, count(*) AS lines,
           coalesce(sum(discount_fen) FILTER (WHERE discount_fen > 0), 0) AS taken_fen,
           coalesce(sum(discount_fen) FILTER (WHERE discount_fen < 0), 0) AS back_fen,
           sum(discount_fen) AS discount_fen, sum(hq_fen) AS hq_fen, sum(dealer_fen) AS dealer_fen,
           sum(supplier_fen) AS supplier_fen, count(*) FILTER (WHERE hq_fen <> 0) AS hq_lines,
           count(*) FILTER (WHERE dealer_fen <> 0) AS dealer_lines,
           count(*) FILTER (WHERE supplier_fen <> 0) AS supplier_lines
    FROM ({lines}) l GROUP BY store_id, supplier
"""
_PAGE = """
    SELECT l.*, k.name AS campaign FROM ({lines}) l
    JOIN campaign k ON k.brand_id = l.brand_id AND k.campaign_id = l.campaign_id
    WHERE (l.at, l.redemption_id) > (:after_at, :after_id)
    ORDER BY l.at, l.redemption_id, l.kind, l.part LIMIT :limit
"""
_BEGINNING = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


class Line(NamedTuple):
    """One money fact; fen are negative where something came back."""

    store_id: int
    redemption_id: int
    kind: str
    part: str
    at: datetime
    campaign_id: int
    campaign: str
    order_no: str
    supplier: str | None
    discount_fen: int
    hq_fen: int
    dealer_fen: int
    supplier_fen: int


@dataclass
class Sum:
    """A store's month, or several. `used`, `back`: facts; taken_fen + back_fen = discount_fen = what the three owe.

    `suppliers`: what each of them owes, by name; they sum to supplier_fen. `hq_lines`, `dealer_lines` and, by name,
    `supplier_lines`: the lines that each side pays a share of.
    """

    used: int = 0
    back: int = 0
    lines: int = 0
    taken_fen: int = 0
    back_fen: int = 0
    discount_fen: int = 0
    hq_fen: int = 0
    dealer_fen: int = 0
    supplier_fen: int = 0
    hq_lines: int = 0
    dealer_lines: int = 0
    suppliers: dict[str, int] = field(default_factory=dict)
    supplier_lines: dict[str, int] = field(default_factory=dict)

    def add(self, row: Row[Any] | Sum) -> None:
        for name in FIGURES:
            setattr(self, name, getattr(self, name) + int(getattr(row, name)))
        for name in ("suppliers", "supplier_lines"):
            mine = getattr(self, name)
            for supplier, number in _by_supplier(row, name).items():
                if number:
                    mine[supplier] = mine.get(supplier, 0) + number


def _by_supplier(row: Row[Any] | Sum, name: str) -> dict[str, int]:
    if isinstance(row, Sum):
        found: dict[str, int] = getattr(row, name)
        return found
    return {row.supplier: int(row.supplier_fen if name == "suppliers" else row.supplier_lines)}


FIGURES = (
    "used", "back", "lines", "taken_fen", "back_fen", "discount_fen", "hq_fen", "dealer_fen", "supplier_fen",
    "hq_lines", "dealer_lines",
)  # fmt: skip


def month_of(text_of: str) -> date:
    """The first day of a month of these times written as YYYY-MM; MonthUnknown for anything else."""
    try:
        first = date.fromisoformat(f"{text_of}-01") if len(text_of) == len("YYYY-MM") else None
    except ValueError:
        first = None
    if first is None or not EARLIEST <= first <= LATEST:
        raise MonthUnknown()
    return first


def bounds(brand_id: int, month: date) -> tuple[datetime, datetime]:
    """A month of the brand's time zone, [from, to)."""
    zone = ZoneInfo(org.brand(brand_id).timezone)
    return (
        datetime(month.year, month.month, 1, tzinfo=zone),
        datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=zone),
    )


def month(brand_id: int, first: date) -> CouponMonth | None:
    """What was asked or decided about closing a month."""
    return session.get(CouponMonth, (brand_id, first), populate_existing=True)


def is_closed(brand_id: int, first: date) -> bool:
    """Whether a month's books are closed. Months before the first that was closed are too, and empty: what is told of
    them later is a line of the first month that is open.
    """
    last = last_closed(brand_id)
    return last is not None and first <= last


def closed_before(brand_id: int, first: date) -> bool:
    """Whether the month before this one is closed."""
    return is_closed(brand_id, (first - timedelta(days=1)).replace(day=1))


def anything_before(brand_id: int, moment: datetime) -> bool:
    """Whether any coupon of the brand was used before a moment."""
    statement = text("SELECT EXISTS (SELECT FROM redemption WHERE brand_id = :brand_id AND redeemed_at < :moment)")
    return bool(session.scalar(statement, {"brand_id": brand_id, "moment": moment}))


def last_closed(brand_id: int) -> date | None:
    """The newest closed month."""
    return session.scalar(
        select(func.max(CouponMonth.month)).where(CouponMonth.brand_id == brand_id, CouponMonth.status == "closed")
    )


def lines_of(brand_id: int, first: date, stores: Collection[int] | None = None) -> tuple[str, dict[str, Any]]:
    """The SQL of a month's lines and its parameters, of some stores (None: of all). MonthUnknown before it begins."""
    since, until = bounds(brand_id, first)
    if since > clock.now():
        raise MonthUnknown()
    values: dict[str, Any] = {
        "brand_id": brand_id,
        "everywhere": stores is None,
        "stores": sorted(stores or ()),
    }
    if is_closed(brand_id, first):
        return _FROZEN, values | {"month": first}
    return _OPEN, values | {"since": since - LATE if closed_before(brand_id, first) else since, "until": until}


def sums(brand_id: int, first: date, stores: Collection[int] | None = None) -> dict[int, Sum]:
    """A month by store."""
    lines, values = lines_of(brand_id, first, stores)
    found: dict[int, Sum] = {}
    for row in session.execute(typed(_SUMS.format(lines=lines)), values):
        found.setdefault(row.store_id, Sum()).add(row)
    return found


def total(parts: Mapping[Any, Sum]) -> Sum:
    """Several sums as one."""
    whole = Sum()
    for part in parts.values():
        whole.add(part)
    return whole


def lines(
    brand_id: int, first: date, store_id: int, *, after: tuple[datetime, int] | None = None, limit: int
) -> list[Line]:
    """A store's lines of a month in the order of time; `after` is the last line's (at, redemption_id).

    Facts of one redemption at one and the same moment do not exist, so that pair is a line's place.
    """
    source, values = lines_of(brand_id, first, {store_id})
    at, redemption_id = after or (_BEGINNING, 0)
    rows = session.execute(
        typed(_PAGE.format(lines=source)), values | {"after_at": at, "after_id": redemption_id, "limit": limit}
    ).mappings()
    return [Line(**{name: row[name] for name in Line._fields}) for row in rows]


def typed(statement: str) -> Any:
    """A statement over `lines_of`, whose parameter of stores is an array."""
    return text(statement).bindparams(bindparam("stores", type_=ARRAY(BigInteger)))
