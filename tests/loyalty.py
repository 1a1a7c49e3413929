"""A brand's earning rules and ladder for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.points.models import EarnRule
from app.sales.rules import LineData, OrderData
from app.tiers.models import Benefit, Tier, TierPolicy

STEPS = (("bronze", "青铜", 0, 10_000), ("silver", "白银", 500, 12_000), ("gold", "黄金", 2_000, 15_000))


def set_rules(
    brand_id: int, *, points_months: int = 12, window_days: int = 365, protection_days: int = 30
) -> dict[str, int]:
    """One point and one growth a yuan, three tiers, committed; returns tier ids by code."""
    tiers = {code: ids.new_id() for code, *_ in STEPS}
    with transaction():
        session.add(EarnRule(brand_id=brand_id, points_per_yuan=1, growth_per_yuan=1, points_months=points_months))
        session.add(TierPolicy(brand_id=brand_id, window_days=window_days, protection_days=protection_days))
        for rank, (code, name, growth_from, rate) in enumerate(STEPS, 1):
            session.add(
                Tier(
                    brand_id=brand_id,
                    tier_id=tiers[code],
                    code=code,
                    name=name,
                    rank=rank,
                    growth_from=growth_from,
                    points_rate_bp=rate,
                )
            )
    return tiers


def add_benefit(brand_id: int, tier_id: int, *, period: str = "once", points: int = 100) -> int:
    """A benefit of points, committed."""
    benefit_id = ids.new_id()
    with transaction():
        session.add(
            Benefit(
                brand_id=brand_id,
                benefit_id=benefit_id,
                tier_id=tier_id,
                kind="points",
                points=points,
                period=period,
                name="升级礼",
            )
        )
    return benefit_id


def an_order(
    order_no: str, paid_fen: int, *, store_id: int = 1, source: str = "till", paid_at: datetime | None = None
) -> OrderData:
    """An order of one line."""
    line = LineData(
        line_no=1, sku="SKU1", name="羽绒服", category="outer", quantity=1, unit_fen=paid_fen, amount_fen=paid_fen
    )
    return OrderData(
        source=source, order_no=order_no, store_id=store_id, paid_at=paid_at or datetime.now(UTC), lines=(line,)
    )
