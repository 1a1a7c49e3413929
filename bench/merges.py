"""Merging and splitting members, the whole of it: persons, members, and what hangs on them in every domain.

A person with 200 orders of three lines and 50 coupons, merged into one with 20 and 5 and parted again: the median of
both against 100 ms. Then 10,000 merges with their splits in a smaller population, two processes at a time, and every
balance, lot, coupon, order, task and tier is what it was, told by digests of the tables.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import psycopg

from bench import common
from bench.common import CHECKOUT, OUT, Plan
from dev.services import Services

GOAL_MS = 100.0
PAIRS, CROWD, OTHERS, ROUNDS = 40, 2_000, 20_000, 5
SHORT = (6, 60, 500, 2)
PROCESSES = 2
MERGES = "journal_id NOT IN (SELECT journal_id FROM journal WHERE kind = 'merge')"
# What a member has, without the pairs of journals that merges wrote and without rows that say nothing: balances of
# zero, lots of somebody else's that are used up. `origin_person_id` remembers that there was a merge.
TABLES = {
    "balance": "amount <> 0",
    "lot": "origin_member_id IS NULL OR remaining > 0",
    "journal": "kind <> 'merge'",
    "posting": MERGES,
    "member_tier": "true",
    "benefit_grant": "true",
    "sales_order": "true",
    "order_line": "true",
    "order_number": "true",
    "coupon": "true",
    "coupon_code": "true",
    "coupon_event": "true",
    "redemption": "true",
    "redemption_line": "true",
    "guide_task": "true",
    "member_tag": "true",
    "membership": "true",
    "member": "true",
}


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print the three ratios."""
    pairs, crowd, others, rounds = SHORT if plan.short else (PAIRS, CROWD, OTHERS, ROUNDS)
    url = environment["DATABASE_URL"]
    common.note(f"seeding {2 * (pairs + crowd) + others} members")
    common.python(environment, "-m", "bench.wallets", str(pairs), str(crowd), str(others))
    common.settle(url)
    before = digests(url)
    _timed(environment, pairs)
    _many(environment, pairs, crowd, rounds)
    after = digests(url)
    for table, digest in before.items():
        common.note(f"{table:16} {digest[:16]} {'same' if after[table] == digest else f'is now {after[table][:16]}'}")
    broken = json.loads(common.python(environment, "-m", "bench.merging", "examine"))
    common.note(f"invariants broken: {', '.join(broken) or 'none'}")
    common.ratio("merges_restore_balances", float(before == after and not broken), 1)


def _timed(environment: dict[str, str], pairs: int) -> None:
    rows = json.loads(common.python(environment, "-m", "bench.merging", "timed", "0", str(pairs)))
    common.write_rows("merges", rows)
    for what in ("merge", "split"):
        times = sorted(float(row["ms"]) for row in rows if row["what"] == what)
        median, p95 = statistics.median(times), times[int(0.95 * len(times))]
        common.note(f"{what}: median {median:.1f} ms, 95th percentile {p95:.1f} ms of {len(times)}")
        common.ratio(f"{what}_under_100ms", GOAL_MS / median, 1)


def _many(environment: dict[str, str], pairs: int, crowd: int, rounds: int) -> None:
    """Each process has its own pairs and goes on where it stopped, if it is asked again."""
    begun = time.perf_counter()
    share = -(-crowd // PROCESSES)
    running = []
    for number in range(PROCESSES):
        low, high = pairs + number * share, min(pairs + (number + 1) * share, pairs + crowd)
        progress = OUT / f"merges.{number}.progress"
        progress.unlink(missing_ok=True)
        command = [sys.executable, "-m", "bench.merging", "many", str(low), str(high), str(rounds), str(progress)]
        running.append(subprocess.Popen(command, cwd=CHECKOUT, env=environment))
    if any(process.wait() for process in running):
        raise RuntimeError("a process that merges failed")
    common.note(f"{rounds * crowd} merges with their splits in {time.perf_counter() - begun:.0f} s")


def digests(url: str) -> dict[str, str]:
    """A digest of each table's rows in whatever order."""
    with psycopg.connect(url) as connection:
        return {
            table: str(
                connection.execute(
                    "SELECT md5(coalesce(string_agg(row, '' ORDER BY row), '')) FROM ("
                    f"SELECT md5((to_jsonb(t) - 'origin_person_id')::text) AS row FROM {table} t WHERE {only}) AS rows"
                ).fetchone()[0]  # type: ignore[index]
            )
            for table, only in TABLES.items()
        }
