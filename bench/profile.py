"""The profile of random members (gate, profile, first page of the timeline) among a million with five million orders.

Members are drawn anew for every reading, so most pages come from cold.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from bench import common
from bench.common import Plan
from dev.services import Services

STATEMENTS, MILLISECONDS = 6, 30.0


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print: how far the median stays under 30 ms, and the statements under six."""
    members, orders, reads = (20_000, 100_000, 100) if plan.short else (1_000_000, 5_000_000, 1_000)
    begun = time.monotonic()
    seeded = json.loads(common.python(environment, "-m", "bench.members", str(members), str(orders)))
    common.settle(environment["DATABASE_URL"])
    common.note(f"{members:,} members and {orders:,} orders seeded in {time.monotonic() - begun:.0f} s")
    asked = (str(seeded["brand_id"]), str(members), str(reads))
    rows: list[dict[str, Any]] = json.loads(common.python(environment, "-m", "bench.profile_reads", *asked))
    common.write_rows("profile", rows)
    taken = sorted(float(row["ms"]) for row in rows)
    most = max(int(row["statements"]) for row in rows)
    median, p99 = statistics.median(taken), taken[len(taken) * 99 // 100]
    common.note(f"profile: median {median:.1f} ms, 99th percentile {p99:.1f} ms, at most {most} statements")
    common.ratio("profile_under_30ms", MILLISECONDS / median, 1)
    common.ratio("profile_statements_under_six", STATEMENTS / most, 1)
