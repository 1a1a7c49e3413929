"""Killed anywhere, an import goes on after its last whole chunk; several importers of one file take turns."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from at_once import at_once
from factories import make_world
from import_files import begun, csv_of, parquet_of
from invariants import broken
from sqlalchemy import event, func, select, text

from app.cli import imports as command_line
from app.core import bulk
from app.core.db import db, session
from app.core.errors import Unavailable
from app.core.transaction import LOCK_TIMEOUT_MS, transaction
from app.flows.imports import engine, ground, reader
from app.imports import commands, queries
from app.imports.models import ImportJob, RowError
from app.imports.rules import LAYOUTS
from app.members.models import Member
from app.sales.models import OrderLine, SalesOrder

ROOT = Path(__file__).parent.parent.parent
ORDER = ["order_no", "store", "paid_at", "phone", "sku", "quantity", "amount"]


@pytest.fixture
def world(app):  # type: ignore[no-untyped-def]
    return make_world()


def _orders(count: int) -> bytes:
    return csv_of(
        ORDER,
        [
            {"order_no": f"A{n // 2}", "store": "S001" if n != 7 else "S9", "paid_at": "2024-05-01", "sku": "A",
             "phone": f"139{n // 4:08d}", "quantity": 1, "amount": "10.00"}
            for n in range(count)
        ],
    )  # fmt: skip


def _members(count: int, series: int = 1) -> bytes:
    rows = [{"source_id": f"M{n}", "phone": f"139{series}{n:07d}", "points": 5, "tags": "老客"} for n in range(count)]
    return csv_of(["source_id", "phone", "points", "tags"], rows)


FILES = {"order_lines": (_orders(60), 20), "members": (_members(60), 20)}


class Killed(BaseException):
    """What a killed process leaves: nothing after this runs."""


def _chunks(kind: str, body: bytes, opened: Any, after: int) -> Any:
    return reader.chunks(io.BytesIO(body), opened, replace(LAYOUTS[kind], chunk=FILES[kind][1]), after=after)


def _go_on(world, kind: str, body: bytes) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
    """What a fresh process does: find the open job, go on after its cursor."""
    job, opened = begun(world, kind, body, create_members=True)
    with transaction():
        where = ground.of(job)
    until = job.cursor
    for chunk in _chunks(kind, body, opened, job.cursor):
        with transaction():
            assert engine.write(where, chunk, engine.prepare(where, chunk))
        until = chunk.until
    with transaction():
        commands.finish(job_id=job.job_id, after=until)
    found = queries.job(world.brand_id, job.job_id)
    return found.status, found.read, found.created, found.refused


def _state() -> tuple[Any, ...]:
    session.expire_all()
    counted = [
        session.scalar(select(func.count()).select_from(model)) for model in (Member, SalesOrder, OrderLine, RowError)
    ]
    sums = session.scalar(text("SELECT coalesce(sum(amount), 0) FROM balance"))
    return (*counted, sums)


@pytest.mark.parametrize("kind", FILES)
def test_killed_after_any_statement_it_goes_on_and_ends_the_same(app, world, kind) -> None:
    body = FILES[kind][0]
    statements: list[str] = []
    dies_at = [10**9]

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)
        if len(statements) >= dies_at[0]:
            raise Killed

    raw = engine.bulk.connection

    def through_raw() -> Any:
        count(None, None, "raw")
        return raw()

    event.listen(db.engine, "before_cursor_execute", count)
    engine.bulk.connection = through_raw
    try:
        other, mine = make_world(), SimpleNamespace(brand_id=world.brand_id)
        statements.clear()
        theirs = _members(60, series=2) if kind == "members" else body  # the persons are others
        whole = _go_on(SimpleNamespace(brand_id=other.brand_id), kind, theirs)
        steps, expected = len(statements), _state()
        kills = 0
        dies_at[0] = 1
        for _ in range(steps + 10):
            statements.clear()
            try:
                job = _go_on(mine, kind, body)
                break
            except Killed:
                session.rollback()
                session.remove()
                kills += 1
                # A little later each time, and now and then early again.
                dies_at[0] = len(statements) + 9 if kills % 4 else 5 * kills
        else:
            raise AssertionError("it never ended")
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
        engine.bulk.connection = raw
    assert kills >= 5
    assert job == whole and job[:2] == ("done", 60)
    both = _state()
    assert both == tuple(2 * value for value in expected)
    assert not broken()


def test_importers_of_one_file_at_once_take_turns(app, world) -> None:
    body = FILES["order_lines"][0]
    job, opened = begun(world, "order_lines", body)
    job_id = job.job_id

    def work() -> int:
        with transaction():
            where = ground.of(session.get_one(ImportJob, job_id))
        written = 0
        for chunk in _chunks("order_lines", body, opened, opened.before):
            with transaction():
                written += engine.write(where, chunk, engine.prepare(where, chunk))
        return written

    answers = at_once(app, [work] * 4)
    # Each chunk is written by one of them; the last order waits for rows that might have followed.
    assert sum(answers) == 4
    session.expire_all()
    found = queries.job(world.brand_id, job_id)
    assert (found.read, found.created, found.refused) == (60, 29, 2)
    assert session.scalar(select(func.count()).select_from(SalesOrder)) == 29
    assert not broken("sales", "imports")


def test_without_the_cursor_they_would_count_rows_again(app, world) -> None:
    """The twin: the cursor is read first and moved later, so every importer believes the chunk is its own."""
    body = FILES["order_lines"][0]
    job, opened = begun(world, "order_lines", body)
    job_id, brand = job.job_id, world.brand_id

    def naive() -> None:
        with transaction():
            where = ground.of(session.get_one(ImportJob, job_id))
        for chunk in _chunks("order_lines", body, opened, opened.before):
            with transaction():
                if queries.job(brand, job_id).cursor >= chunk.until:
                    continue
                session.execute(text("SELECT pg_sleep(0.1)"))
                tally = engine.KINDS["order_lines"].write(where, engine.prepare(where, chunk))
                commands.record(job_id=job_id, rows=chunk.read, tally=tally)
                session.execute(
                    text("UPDATE import_job SET cursor = :until WHERE job_id = :job"),
                    {"until": chunk.until, "job": job_id},
                )

    at_once(app, [naive] * 4)
    session.expire_all()
    assert queries.job(brand, job_id).read > 60


def test_starts_of_one_file_at_once_are_one_job(app, world) -> None:
    body = FILES["members"][0]
    answers = at_once(app, [lambda: begun(world, "members", body)[0].job_id for _ in range(6)])
    assert len(set(answers)) == 1


def _asked(world, tmp_path: Path, kind: str, body: bytes) -> list[str]:  # type: ignore[no-untyped-def]
    path = tmp_path / "file.csv"
    path.write_bytes(body)
    return [kind, str(path), "--brand", world.brand.code, "--source", "erp"]


@pytest.mark.parametrize("kind", FILES)
def test_what_a_killed_process_still_holds_is_waited_for(app, world, tmp_path, kind) -> None:
    """Its server process has yet to notice: it holds the rows of a chunk for longer than a lock is waited for."""
    body = FILES[kind][0]
    job, opened = begun(world, kind, body)
    with transaction():
        where = ground.of(job)
    first = next(_chunks(kind, body, opened, opened.before))
    holds, tally = Event(), engine.prepare(where, first)

    def dying() -> None:
        with app.app_context(), suppress(Killed), transaction():
            engine.KINDS[kind].write(where, tally)  # as writers side by side do it: the cursor would come last
            if kind == "members":
                commands.advance(job_id=where.job_id, after=first.after, until=first.until)
            holds.set()
            time.sleep(LOCK_TIMEOUT_MS / 1000 + 2)
            raise Killed

    with ThreadPoolExecutor(1) as dead:
        gone = dead.submit(dying)
        assert holds.wait(30)
        done = app.test_cli_runner().invoke(command_line.command, _asked(world, tmp_path, kind, body))
        gone.result()
    assert done.exit_code == 0 and " done: 60 rows read" in done.output, (done.output, done.exception)
    assert not broken()


@pytest.mark.parametrize("kind", FILES)
def test_a_last_commit_of_a_killed_process_may_come_late(app, world, tmp_path, monkeypatch, kind) -> None:
    """After the next one has read how far the job is."""
    body, size = FILES[kind]
    monkeypatch.setattr(command_line, "LAYOUTS", {kind: replace(LAYOUTS[kind], chunk=size)})
    settle = engine.settle

    def late(where: ground.Ground) -> None:
        settle(where)
        opened = reader.inspect(io.BytesIO(body), kind)
        first = next(_chunks(kind, body, opened, opened.before))

        def commit() -> None:
            with app.app_context(), transaction():
                assert engine.write(where, first, engine.prepare(where, first))

        with ThreadPoolExecutor(1) as dying:
            dying.submit(commit).result()

    monkeypatch.setattr(engine, "settle", late)
    done = app.test_cli_runner().invoke(command_line.command, _asked(world, tmp_path, kind, body))
    assert done.exit_code == 0 and " done: 60 rows read" in done.output, (done.output, done.exception)
    assert not broken()


def test_a_server_process_ends_soon_after_its_importer(app, world) -> None:
    """Even in a long statement, in the middle of which it does not read what its client sends."""
    body = FILES["members"][0]
    job, opened = begun(world, "members", body)
    with transaction():
        where = ground.of(job)
    chunk = next(_chunks("members", body, opened, opened.before))
    lines: list[int] = []

    def long_statement() -> None:
        with app.app_context(), suppress(Unavailable), transaction():
            assert engine.write(where, chunk, engine.prepare(where, chunk))
            lines.append(bulk.connection().fileno())
            session.execute(text("SELECT pg_sleep(60)"))

    def at_it() -> int:
        with transaction():
            return session.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60%'"))

    with ThreadPoolExecutor(1) as importer:
        gone = importer.submit(long_statement)
        _until(at_it)
        with socket.fromfd(lines[0], socket.AF_INET, socket.SOCK_STREAM) as line:
            line.shutdown(socket.SHUT_RDWR)  # what is left of a killed process's connection
        gone.result()
        _until(lambda: not at_it())
    assert queries.job(world.brand_id, job.job_id).cursor == job.cursor


def _until(true: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_is_taken_over_by_the_next(app, world, tmp_path) -> None:
    rows = [
        {"order_no": f"A{n // 3}", "store": "S001", "paid_at": "2024-05-01", "sku": "A", "phone": f"139{n // 9:08d}",
         "quantity": 1, "amount": "10.00"}
        for n in range(90_000)
    ]  # fmt: skip
    path = tmp_path / "lines.csv"
    path.write_bytes(csv_of(ORDER, rows))
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "import", "order_lines", str(path)]
    command += ["--brand", world.brand.code, "--source", "erp"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not _rows_read() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    read = _rows_read()
    assert 0 < read < 90_000
    assert "rows read, 30000 created" in _ended_well(command)
    assert session.scalar(select(func.count()).select_from(OrderLine)) == 90_000
    assert "0 created, 0 updated, 30000 unchanged, 0 rows refused" in _ended_well(command)
    assert not broken("sales", "imports")


def _ended_well(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows_read() -> int:
    with transaction():
        return session.scalar(select(func.coalesce(func.max(ImportJob.read), 0))) or 0


def test_the_command_writes_chunks_beside_each_other_and_falls_back(app, world, tmp_path, monkeypatch) -> None:
    """Order A0 stands in every chunk: the second to write it waits for the first, is refused, and so are the others."""
    small = replace(LAYOUTS["order_lines"], chunk=10)
    monkeypatch.setattr(command_line, "LAYOUTS", {"order_lines": small})
    row = {"store": "S001", "paid_at": "2024-05-01", "sku": "A", "quantity": 1, "amount": "10.00"}
    rows = [row | {"order_no": "A0" if n % 10 == 5 else f"A{n}"} for n in range(1, 61)]
    path = tmp_path / "torn.csv"
    path.write_bytes(csv_of(ORDER, rows))
    asked = ["order_lines", str(path), "--brand", world.brand.code, "--source", "erp"]
    done = app.test_cli_runner().invoke(command_line.command, asked)
    assert "60 rows read, 55 created, 0 updated, 0 unchanged, 5 rows refused" in done.output, done.output
    assert "order_split" in done.output
    assert not broken("sales", "imports")


def test_a_file_that_cannot_be_read_on_ends_its_import(app, world, tmp_path) -> None:
    """It would stand as running for ever; once mended, the file is another one."""
    body = bytearray(parquet_of([{"source_id": f"M{n}", "phone": f"139{n:08d}"} for n in range(2_000)]))
    half = len(body) // 2
    body[half : half + 200] = bytes(200)
    done = app.test_cli_runner().invoke(command_line.command, _asked(world, tmp_path, "members", bytes(body)))
    assert done.exit_code == 1, done.output
    job = session.scalars(select(ImportJob)).one()
    assert (job.status, job.last_error) == ("failed", "import_unreadable") and job.finished_at is not None
    assert not broken("imports")
