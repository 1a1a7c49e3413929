"""The audit log's chain has one end, however many write to it at once; what is taken out of it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from at_once import at_once
from sqlalchemy import func, select, text

from app.core import audit
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction

WRITERS = 8


def _write(number: int) -> Callable[[], None]:
    def write() -> None:
        for turn in range(5):
            with transaction():
                audit.record(actor=f"adm_{number}", action="test", subject=f"s{turn}")
                session.execute(text("SELECT pg_sleep(0.01)"))

    return write


def _rows() -> int:
    return session.scalar(select(func.count()).select_from(AuditLog)) or 0


def test_writers_at_once_make_one_chain(app: Any) -> None:
    at_once(app, [_write(number) for number in range(WRITERS)])
    assert (_rows(), audit.broken_links()) == (WRITERS * 5, [])


def test_without_the_lock_the_chain_forks(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    monkeypatch.setattr(audit, "lock_name", lambda name: None)
    at_once(app, [_write(number) for number in range(WRITERS)])
    assert audit.broken_links() != []


def test_a_row_that_is_taken_out_shows_and_the_end_is_told(app: Any) -> None:
    for number in range(4):
        with transaction():
            audit.record(actor="adm_1", action="test", subject=f"s{number}")
    runner = app.test_cli_runner()
    whole = runner.invoke(args=["doctor", "audit"])
    assert whole.exit_code == 0
    newest = session.scalars(select(AuditLog.hash).where(AuditLog.subject == "s3")).one()
    assert f"4 rows, 0 broken links, newest {newest.hex()}" in whole.output
    _take_out("s3")
    # The links that are left are whole: only the end that somebody noted tells.
    shorter = runner.invoke(args=["doctor", "audit"])
    assert shorter.exit_code == 0 and "3 rows" in shorter.output and newest.hex() not in shorter.output
    _take_out("s1")
    assert runner.invoke(args=["doctor", "audit"]).exit_code == 1


def _take_out(subject: str) -> None:
    with transaction():
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM audit_log WHERE subject = :subject"), {"subject": subject})
