"""The coupon report: what was given, used, came back and ended in a range of days, what it cost and what it sold.

Read from the rows themselves, nothing is kept ready. Cost is summed from the same facts as the stores' statements, so
that the two agree to the fen. Where a figure belongs: what is given counts to the store of the guide who gave it, else
to the member's home store; what is used, paid for and sold counts to the store it was used in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.core.db import session
from app.coupons.statements.facts import FACTS
from app.dashboards.reach import Reach
from app.dashboards.rules import share_bp

BY = ("campaign", "store", "guide", "source", "channel", "day")


@dataclass(frozen=True)
class Asked:
    """A report: rows by one of BY, over [since, until), whose days are those of `zone`; None filters nothing."""

    by: str
    since: datetime
    until: datetime
    zone: str
    campaign_id: int | None = None
    store_id: int | None = None
    guide_id: int | None = None
    source: str | None = None

    @property
    def filtered(self) -> bool:
        """Whether only some coupons are meant, wherever they were used."""
        return any(one is not None for one in (self.campaign_id, self.guide_id, self.source))


@dataclass
class Figures:
    """Counts and fen. `issued`: coupons given in the range, `issued_by` their sources, `issued_used`: how many of those
    are used by now. `used` and `returned` happened in the range; discount = hq + dealer + supplier is used less given
    back. `orders` were paid in the range with a coupon, `sales_fen` is what was paid for them and not refunded.
    """

    issued: int = 0
    issued_used: int = 0
    used: int = 0
    returned: int = 0
    expired: int = 0
    voided: int = 0
    discount_fen: int = 0
    hq_fen: int = 0
    dealer_fen: int = 0
    supplier_fen: int = 0
    orders: int = 0
    sales_fen: int = 0
    issued_by: dict[str, int] = field(default_factory=dict)

    @property
    def used_bp(self) -> int:
        """Of the coupons given in the range, those used by now, in basis points."""
        return share_bp(self.issued_used, self.issued)

    def add(self, values: Mapping[str, Any]) -> None:
        for name in COUNTED & values.keys():
            setattr(self, name, getattr(self, name) + int(values[name] or 0))


COUNTED = {one.name for one in fields(Figures)} - {"issued_by"}


@dataclass(frozen=True)
class Baskets:
    """Paid orders of the range, in all and those with a coupon; an average is 0 where there are none."""

    orders: int
    sales_fen: int
    coupon_orders: int
    coupon_sales_fen: int

    @property
    def with_fen(self) -> int:
        return self.coupon_sales_fen // self.coupon_orders if self.coupon_orders else 0

    @property
    def without_fen(self) -> int:
        rest = self.orders - self.coupon_orders
        return (self.sales_fen - self.coupon_sales_fen) // rest if rest else 0


@dataclass(frozen=True)
class Report:
    """`rows` by the key that was asked for (None: no guide, no store). `total` is of everything, `baskets` too."""

    rows: dict[Any, Figures]
    total: Figures
    baskets: Baskets


# What a row is called, by what stands beside a coupon where it was given and where it was used.
_GIVEN = {
    "campaign": "c.campaign_id",
    "store": "coalesce(g.store_id, m.home_store_id)",
    "guide": "c.guide_id",
    "source": "c.source",
    "channel": "CAST(NULL AS text)",  # a coupon belongs to no channel before it is used
    "day": "CAST({at} AT TIME ZONE :zone AS date)",
}
_USED = _GIVEN | {"store": "f.store_id", "channel": "f.source"}
_OWNER = """
    LEFT JOIN member m ON m.brand_id = c.brand_id AND m.member_id = c.member_id
    LEFT JOIN guide g ON g.id = c.guide_id
"""
_KEPT = """
    AND (CAST(:campaign_id AS bigint) IS NULL OR c.campaign_id = :campaign_id)
    AND (CAST(:guide_id AS bigint) IS NULL OR c.guide_id = :guide_id)
    AND (CAST(:source AS text) IS NULL OR c.source = :source)
"""
_THERE = "AND (:everywhere OR {store} = ANY(:stores))"

_ISSUED = """
    SELECT {key} AS key, c.source AS source, count(*) AS issued,
           count(*) FILTER (WHERE c.status = 'redeemed') AS issued_used
    FROM coupon c {owner}
    WHERE c.brand_id = :brand_id AND c.claimed_at >= :since AND c.claimed_at < :until {kept} {there}
    GROUP BY 1, 2
"""
_ENDED = """
    SELECT {key} AS key, count(*) FILTER (WHERE e.to_status = 'expired') AS expired,
           count(*) FILTER (WHERE e.to_status = 'voided') AS voided
    FROM coupon_event e
    JOIN coupon c ON c.brand_id = e.brand_id AND c.member_id = e.member_id AND c.coupon_id = e.coupon_id {owner}
    WHERE e.brand_id = :brand_id AND e.at >= :since AND e.at < :until AND e.to_status IN ('expired', 'voided')
      {kept} {there}
    GROUP BY 1
"""
_COUPON = """
    JOIN coupon c ON c.brand_id = f.brand_id AND c.member_id = f.member_id AND c.coupon_id = f.coupon_id
"""
_SPENT = f"""
    SELECT {{key}} AS key, count(*) FILTER (WHERE f.kind = 'redeemed') AS used,
           count(*) FILTER (WHERE f.kind = 'returned') AS returned, sum(f.discount_fen) AS discount_fen,
           sum(f.hq_fen) AS hq_fen, sum(f.dealer_fen) AS dealer_fen, sum(f.supplier_fen) AS supplier_fen
    FROM ({FACTS}) f {{coupon}}
    WHERE f.brand_id = :brand_id AND f.at >= :since AND f.at < :until {{kept}} {{there}}
    GROUP BY 1
"""
_PAID = "o.brand_id = :brand_id AND o.paid_at >= :since AND o.paid_at < :until AND o.status = 'paid'"
# Two shops of one number (a till's and the mall's) are told apart by the channel; a cash desk's orders are a till's.
_OF_ORDER = """f.brand_id = o.brand_id AND f.order_no = o.order_no AND f.store_id = o.store_id
      AND (f.source = 'mall') = (o.channel = 'mall') AND f.returned_at IS NULL"""
# An order with two coupons of one row counts once in it.
_SOLD = f"""
    SELECT key, count(*) AS orders, sum(fen) AS sales_fen
    FROM (SELECT DISTINCT {{key}} AS key, o.order_id, o.paid_fen - o.refunded_fen AS fen
          FROM sales_order o JOIN redemption f ON {_OF_ORDER} {{coupon}}
          WHERE {_PAID} {{kept}} {{there}}) s
    GROUP BY 1
"""
_ORDERS = f"""
    SELECT count(*) AS orders, coalesce(sum(o.paid_fen - o.refunded_fen), 0) AS sales_fen
    FROM sales_order o WHERE {_PAID} {{there}}
"""
_WITH_COUPON = f"{_ORDERS} AND EXISTS (SELECT FROM redemption f {{coupon}} WHERE {_OF_ORDER} {{kept}})"
_OF_A_COUPON = frozenset({"campaign", "guide", "source"})  # keys that only the coupon of a redemption knows


def report(reach: Reach, asked: Asked) -> Report:
    """The report for a reader's stores, in six statements."""
    rows: dict[Any, Figures] = {}
    values = _values(reach, asked)
    for row in _run(_issued(asked, values), values):
        figures = rows.setdefault(row["key"], Figures())
        figures.add(row)
        figures.issued_by[row["source"]] = figures.issued_by.get(row["source"], 0) + row["issued"]
    for statement in (_ended(asked, values), _spent(asked), _sold(asked)):
        for row in _run(statement, values):
            rows.setdefault(row["key"], Figures()).add(row)
    total = Figures()
    for figures in rows.values():
        total.add(vars(figures))
        for source, count in figures.issued_by.items():
            total.issued_by[source] = total.issued_by.get(source, 0) + count
    baskets = _baskets(asked, values)
    # One order may be in two rows, by a coupon of each: in all it is one.
    total.orders, total.sales_fen = baskets.coupon_orders, baskets.coupon_sales_fen
    return Report(rows, total, baskets)


def _issued(asked: Asked, values: Mapping[str, Any]) -> str:
    key = _GIVEN[asked.by].format(at="c.claimed_at")
    return _ISSUED.format(key=key, kept=_KEPT if asked.filtered else "", **_owned(asked, values))


def _ended(asked: Asked, values: Mapping[str, Any]) -> str:
    key = _GIVEN[asked.by].format(at="e.at")
    return _ENDED.format(key=key, kept=_KEPT if asked.filtered else "", **_owned(asked, values))


def _spent(asked: Asked) -> str:
    return _SPENT.format(key=_USED[asked.by].format(at="f.at"), there=_THERE.format(store="f.store_id"), **_used(asked))


def _sold(asked: Asked) -> str:
    key = _USED[asked.by].format(at="o.paid_at")
    return _SOLD.format(key=key, there=_THERE.format(store="o.store_id"), **_used(asked))


def _baskets(asked: Asked, values: Mapping[str, Any]) -> Baskets:
    there = _THERE.format(store="o.store_id")
    parts = [_ORDERS.format(there=there), _WITH_COUPON.format(there=there, **_used(asked, key=False))]
    found = [row for statement in parts for row in _run(statement, values)]
    return Baskets(*(int(row[name]) for row in found for name in ("orders", "sales_fen")))


def _used(asked: Asked, *, key: bool = True) -> dict[str, str]:
    """The join and the filters of a redemption's coupon; left out where nothing is asked of it."""
    kept = asked.filtered
    return {
        "coupon": _COUPON if kept or (key and asked.by in _OF_A_COUPON) else "",
        "kept": _KEPT if kept else "",
    }


def _owned(asked: Asked, values: Mapping[str, Any]) -> dict[str, str]:
    """The joins by which a coupon that was given has a store; left out where no store is asked about."""
    if values["everywhere"] and asked.by != "store":
        return {"owner": "", "there": ""}
    return {"owner": _OWNER, "there": _THERE.format(store=_GIVEN["store"])}


def _values(reach: Reach, asked: Asked) -> dict[str, Any]:
    stores = reach.store_ids
    if asked.store_id is not None:
        stores = frozenset({asked.store_id} if reach.covers(asked.store_id) else ())
    return {
        "brand_id": reach.brand_id,
        "since": asked.since,
        "until": asked.until,
        "zone": asked.zone,
        "campaign_id": asked.campaign_id,
        "guide_id": asked.guide_id,
        "source": asked.source,
        "everywhere": stores is None,
        "stores": sorted(stores or ()),
    }


def _run(statement: str, values: Mapping[str, Any]) -> Any:
    types = [bindparam("stores", type_=ARRAY(BigInteger))] if ":stores" in statement else []
    return session.execute(text(statement).bindparams(*types), dict(values)).mappings()
