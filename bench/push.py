"""A push to a segment, against a bare INSERT..SELECT of the same columns (see bench.pushing for both)."""

from __future__ import annotations

import json
from typing import Any

from app.flows.push import CHUNK
from bench import common
from bench.common import Plan
from dev.services import Services

GOAL = 0.5


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print the ratio; the rates themselves are notes."""
    members, chunk = (20_000, 2_000) if plan.short else (500_000, CHUNK)
    rows: list[dict[str, Any]] = json.loads(common.python(environment, "-m", "bench.pushing", str(members), str(chunk)))
    common.write_rows("push", rows)
    for row in rows:
        common.note(f"{row['target']}: {row['coupons']:,} in {row['seconds']:.1f} s, {row['per_second']:,.0f} a second")
    rates = {str(row["target"]): float(row["per_second"]) for row in rows}
    common.ratio("push_to_insert_select", rates["push"] / rates["bare"], GOAL)
