"""The tiers that members bring from another system: placed at once, with no event and no benefit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa

from app.core import bulk, context

_WINDOW = """
    SELECT s.member_id, coalesce(sum(p.amount) FILTER (WHERE j.at > %(since)s), 0)::bigint
    FROM staged_place s
    LEFT JOIN journal j ON j.brand_id = %(brand_id)s AND j.member_id = s.member_id AND j.currency = 'growth'
    LEFT JOIN posting p ON p.brand_id = j.brand_id AND p.member_id = j.member_id AND p.journal_id = j.journal_id
        AND p.account = 'member'
    WHERE NOT EXISTS (
        SELECT FROM member_tier t
        WHERE t.brand_id = %(brand_id)s AND t.member_id = s.member_id AND t.valid_to IS NULL
    )
    GROUP BY s.member_id
"""
_PLACE = """
    INSERT INTO member_tier (brand_id, member_id, valid_from, valid_to, tier_id, reason, correlation_id)
    SELECT %(brand_id)s, member_id, %(at)s, NULL, tier_id, 'import', %(correlation_id)s FROM staged_tier
"""


def unplaced(*, brand_id: int, member_ids: list[int], since: datetime) -> dict[int, int]:
    """Growth gained after a moment by those of the members who have no tier yet."""
    bulk.stage("staged_place", pa.table({"member_id": pa.array(member_ids, pa.int64())}))
    return dict(bulk.fetch(_WINDOW, {"brand_id": brand_id, "since": since}))


def place_all(*, brand_id: int, tiers: Mapping[int, int], at: datetime) -> None:
    """Put members without a tier on theirs (member id -> tier id). The caller made them or holds their growth."""
    if not tiers:
        return
    bulk.stage(
        "staged_tier",
        pa.table(
            {"member_id": pa.array(list(tiers), pa.int64()), "tier_id": pa.array(list(tiers.values()), pa.int64())}
        ),
    )
    bulk.execute(_PLACE, {"brand_id": brand_id, "at": at, "correlation_id": context.correlation_id()})
