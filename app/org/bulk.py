"""Stores and guides of a file: made when new, corrected when known. What a file does not say stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from app.core import bulk, ids

_NAMED = """
    INSERT INTO {table} (id, brand_id, code, name)
    SELECT id, %(brand_id)s, code, code FROM staged_named ORDER BY code
    ON CONFLICT (brand_id, code) DO NOTHING
"""
_PUT_STORES = """
    INSERT INTO store AS old (id, brand_id, code, name, region_id, dealer_id, department_id, status)
    SELECT s.id, %(brand_id)s, s.code, s.name, r.id, d.id, s.department_id, coalesce(s.status, 'open')
    FROM staged_store s
    JOIN region r ON r.brand_id = %(brand_id)s AND r.code = s.region
    LEFT JOIN dealer d ON d.brand_id = %(brand_id)s AND d.code = s.dealer
    ORDER BY s.code
    ON CONFLICT (brand_id, code) DO UPDATE SET
        name = excluded.name, region_id = excluded.region_id,
        dealer_id = CASE WHEN %(says_dealer)s THEN excluded.dealer_id ELSE old.dealer_id END,
        department_id = coalesce(excluded.department_id, old.department_id),
        status = coalesce((SELECT status FROM staged_store s WHERE s.code = old.code), old.status)
    WHERE (old.name, old.region_id) IS DISTINCT FROM (excluded.name, excluded.region_id)
        OR (%(says_dealer)s AND old.dealer_id IS DISTINCT FROM excluded.dealer_id)
        OR (excluded.department_id IS NOT NULL AND old.department_id IS DISTINCT FROM excluded.department_id)
        OR old.status <> coalesce((SELECT status FROM staged_store s WHERE s.code = old.code), old.status)
    RETURNING id IN (SELECT id FROM staged_store)
"""
_PUT_GUIDES = """
    INSERT INTO guide AS old (id, brand_id, store_id, corp_id, userid, name, role, status)
    SELECT id, %(brand_id)s, store_id, %(corp_id)s, userid, name, coalesce(role, 'guide'), coalesce(status, 'active')
    FROM staged_guide ORDER BY userid
    ON CONFLICT (corp_id, userid) DO UPDATE SET
        store_id = excluded.store_id, name = excluded.name,
        role = coalesce((SELECT role FROM staged_guide s WHERE s.userid = old.userid), old.role),
        status = coalesce((SELECT status FROM staged_guide s WHERE s.userid = old.userid), old.status)
    WHERE old.brand_id = excluded.brand_id AND (
        (old.store_id, old.name) IS DISTINCT FROM (excluded.store_id, excluded.name)
        OR old.role <> coalesce((SELECT role FROM staged_guide s WHERE s.userid = old.userid), old.role)
        OR old.status <> coalesce((SELECT status FROM staged_guide s WHERE s.userid = old.userid), old.status)
    )
    RETURNING id IN (SELECT id FROM staged_guide)
"""
_FOREIGN = """
    SELECT s.userid FROM staged_guide s JOIN guide g ON g.corp_id = %(corp_id)s AND g.userid = s.userid
    WHERE g.brand_id <> %(brand_id)s
"""


def put_stores(*, brand_id: int, stores: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Create or correct stores: code, name, region, dealer, department_id, status (the last three may be None).

    A file with any dealer in it says of every store whether it has one. Returns how many are new and how many changed.
    """
    if not stores:
        return 0, 0
    dealers = sorted({row["dealer"] for row in stores if row["dealer"]})
    for table, codes in (("region", sorted({row["region"] for row in stores})), ("dealer", dealers)):
        bulk.stage(
            "staged_named",
            pa.table({"id": pa.array(ids.new_ids(len(codes)), pa.int64()), "code": pa.array(codes, pa.string())}),
        )
        bulk.execute(_NAMED.format(table=table), {"brand_id": brand_id})
    whole = {"department_id": pa.int64()}
    names = ("code", "name", "region", "dealer", "department_id", "status")
    bulk.stage(
        "staged_store",
        pa.table(
            {
                "id": ids.new_ids(len(stores)),
                **{name: pa.array([row[name] for row in stores], whole.get(name, pa.string())) for name in names},
            }
        ),
    )
    return _counted(bulk.fetch(_PUT_STORES, {"brand_id": brand_id, "says_dealer": bool(dealers)}))


def put_guides(*, brand_id: int, corp_id: str, guides: Sequence[dict[str, Any]]) -> tuple[int, int, frozenset[str]]:
    """Create or correct guides: userid, name, store_id, role, status (the last two may be None).

    Returns how many are new, how many changed, and the userids that are another brand's (left as they are).
    """
    if not guides:
        return 0, 0, frozenset()
    whole = {"store_id": pa.int64()}
    names = ("userid", "name", "store_id", "role", "status")
    bulk.stage(
        "staged_guide",
        pa.table(
            {
                "id": ids.new_ids(len(guides)),
                **{name: pa.array([row[name] for row in guides], whole.get(name, pa.string())) for name in names},
            }
        ),
    )
    told = {"brand_id": brand_id, "corp_id": corp_id}
    foreign = frozenset(row[0] for row in bulk.fetch(_FOREIGN, told))
    return *_counted(bulk.fetch(_PUT_GUIDES, told)), foreign


def _counted(rows: Sequence[tuple[Any, ...]]) -> tuple[int, int]:
    created = sum(1 for row in rows if row[0])
    return created, len(rows) - created
