"""A million redeem codes, against COPY of the same rows (see bench.making_codes for both)."""

from __future__ import annotations

import json
from typing import Any

from bench import common
from bench.common import Plan
from dev.services import Services

GOAL = 0.5


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print the ratio."""
    size, rounds = (50_000, 1) if plan.short else (1_000_000, 3)
    rows: list[dict[str, Any]] = json.loads(
        common.python(environment, "-m", "bench.making_codes", str(size), str(rounds))
    )
    common.write_rows("redeem_codes", rows)
    rates = {target: common.median_rate(rows, target) for target in ("copy", "codes")}
    for target, rate in rates.items():
        common.note(f"{target}: {rate:,.0f} a second")
    common.ratio("codes_to_copy", rates["codes"] / rates["copy"], GOAL)
