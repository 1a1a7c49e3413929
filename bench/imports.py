"""Importing order lines through all of it (command, checks, members, constraints, indexes) against a bare COPY.

One file of 1.5 million lines (500,000 orders of 100,000 members in 500 stores) goes into the real tables by
`flask import`, and by COPY into an empty table of the same columns without a key. The peak memory of the importer is
compared with that of a file a tenth as long. The time of a command is that of the whole process less that of one that
only says what it can do: reading the file, checking it and every commit are in it, loading the application is not.
"""

from __future__ import annotations

import csv
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from bench import common
from bench.common import Plan
from dev.services import Services

GOAL_COPY, GOAL_FLAT = 0.1, 0.8
LINES = 3  # of an order
STORES = 500
COLUMNS = {
    "order_no": "text",
    "store": "text",
    "paid_at": "timestamptz",
    "phone": "text",
    "line_no": "int",
    "sku": "text",
    "name": "text",
    "category": "text",
    "quantity": "int",
    "unit_fen": "bigint",
    "amount_fen": "bigint",
    "discount_fen": "bigint",
    "paid_fen": "bigint",
}
_BLOCK = 1 << 20


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print both ratios."""
    orders, members = (10_000, 2_000) if plan.short else (500_000, 100_000)
    with TemporaryDirectory(prefix="siyu-bench-") as folder:
        run_in(Path(folder), environment, orders, members)


def run_in(folder: Path, environment: dict[str, str], orders: int, members: int) -> None:
    url = environment["DATABASE_URL"]
    flask = ("-m", "flask", "--app", "wsgi")
    common.python(environment, *flask, "brand", "create", "bench", "Bench")
    rows: list[dict[str, object]] = []

    def imported(kind: str, count: int, path: Path) -> float:
        command = [sys.executable, *flask, "import", kind, str(path), "--brand", "bench", "--source", "erp"]
        loading, _ = _measured([sys.executable, *flask, "import", "--help"], environment)
        seconds, peak = _measured(command, environment)
        seconds -= loading
        rows.append(_row(f"import {kind}", count, seconds, peak))
        common.note(f"{kind}: {count / seconds:,.0f} rows/s, {peak >> 20} MiB")
        return seconds

    stores, people = folder / "stores.csv", folder / "members.csv"
    _write(stores, ["code", "name", "region"], ([f"S{n:03}", f"门店{n}", f"R{n % 8}"] for n in range(STORES)))
    _write(people, ["source_id", "phone", "name", "store"], _members(members))
    imported("stores", STORES, stores)
    imported("members", members, people)
    small, large = folder / "small.csv", folder / "large.csv"
    _write(small, list(COLUMNS), _lines(orders // 10, members, "A"))
    _write(large, list(COLUMNS), _lines(orders, members, "B"))
    common.settle(url)
    imported("order_lines", orders // 10 * LINES, small)
    common.settle(url)
    copied = statistics.median(_timed(lambda: _copy(url, large)) for _ in range(3))
    rows.append(_row("copy", orders * LINES, copied, 0))
    taken = imported("order_lines", orders * LINES, large)
    _check(url, (orders // 10 + orders) * LINES)
    common.write_rows("imports", rows)
    common.ratio("import_lines_to_copy", copied / taken, GOAL_COPY)
    peaks = [int(str(row["peak_bytes"])) for row in rows if row["target"] == "import order_lines"]
    common.ratio("import_memory_flat", peaks[0] / peaks[1], GOAL_FLAT)


def _members(count: int) -> Iterable[list[object]]:
    for n in range(count):
        yield [f"M{n:08}", _phone(n), f"会员{n}", f"S{n % STORES:03}"]


def _lines(orders: int, members: int, series: str) -> Iterable[list[object]]:
    chance = random.Random(7)
    begun = datetime(2023, 1, 1)  # noqa: DTZ001  (files carry local times)
    for n in range(orders):
        paid_at = begun + timedelta(seconds=n * 90)
        head = [f"{series}{n:010}", f"S{chance.randrange(STORES):03}", f"{paid_at}", _phone(chance.randrange(members))]
        for line_no in range(1, LINES + 1):
            quantity, unit, sku = chance.randint(1, 3), chance.randrange(1900, 99900, 100), chance.randrange(5000)
            discount = chance.choice((0, 0, 500, 1000))
            amount = quantity * unit
            yield [*head, line_no, f"SKU{sku:06}", f"秋冬商品 {sku:06}", f"类目{sku % 40}", quantity, unit, amount,
                   discount, amount - discount]  # fmt: skip


def _phone(n: int) -> str:
    return f"139{n + 1:08d}"  # the first would be all zeros, which is nobody


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _copy(url: str, path: Path) -> None:
    """The floor: the same columns with their types into an empty table without a key, in one transaction."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_copy")
        connection.execute(f"CREATE TABLE bench_copy ({columns})")
        with connection.cursor().copy("COPY bench_copy FROM STDIN (FORMAT csv, HEADER)") as copy:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    copy.write(block)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _measured(command: Sequence[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds that a command took, and its peak resident memory in bytes; its failure is ours."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=common.CHECKOUT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{said.decode(errors='replace')[-2000:]}")
    return time.perf_counter() - begun, usage.ru_maxrss * 1024


def _row(target: str, count: int, seconds: float, peak: int) -> dict[str, object]:
    return {
        "target": target,
        "rows": count,
        "seconds": round(seconds, 2),
        "per_second": round(count / seconds, 1),
        "peak_bytes": peak,
    }


def _check(url: str, lines: int) -> None:
    """Nothing was measured that did not happen: every line is there, and belongs to a member."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*), (SELECT count(*) FROM sales_order WHERE walk_in), (SELECT sum(refused) FROM import_job),"
            " (SELECT sum(paid_fen) FROM sales_order) = sum(paid_fen) FROM order_line"
        ).fetchone()
    if found != (lines, 0, 0, True):
        raise RuntimeError(f"{lines} lines were imported, but the tables say {found}")
