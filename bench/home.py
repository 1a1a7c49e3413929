"""The shopper's home call (member, tier, points, coupons) over HTTP against a route that only knows the shopper.

Both are served by the same processes in the same run, with tokens of many members.
"""

from __future__ import annotations

import itertools
import json

from bench import common
from bench.common import CLIENTS, Plan
from dev.services import Services

GOAL = 0.4


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print the ratio."""
    members = 2_000 if plan.short else 50_000
    seeded = json.loads(common.python(environment, "-m", "bench.members", str(members), str(members * 5)))
    common.settle(environment["DATABASE_URL"])
    tokens = itertools.cycle(seeded["tokens"])

    def asking(target: str, count: int) -> list[list[bytes]]:
        return common.shared_out(
            [common.http_request("GET", target, Authorization=f"Bearer {next(tokens)}") for _ in range(count * CLIENTS)]
        )

    rows: list[dict[str, object]] = []
    with common.served("bench.noop:app", environment) as port:
        for _, target in _TARGETS:
            common.load(port, asking(target, 25))
        for number in range(plan.rounds):
            for name, target in _TARGETS:
                load = common.load(port, asking(target, plan.requests))
                rows.append(
                    {
                        "round": number,
                        "target": name,
                        "per_second": round(load.per_second, 1),
                        "median_ms": round(load.median * 1000, 2),
                        "p99_ms": round(load.p99 * 1000, 2),
                    }
                )
            common.note(f"round {number + 1}: " + ", ".join(f"{r['target']} {r['per_second']}/s" for r in rows[-2:]))
    common.write_rows("home", rows)
    common.ratio("home_to_noop", common.median_rate(rows, "home") / common.median_rate(rows, "noop"), GOAL)


_TARGETS = (("noop", "/noop"), ("home", "/api/miniapp/v1/me"))
