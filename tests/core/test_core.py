"""Ids, errors over HTTP, idempotency, encryption, tokens, audit, settings, slots."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from app import settings
from app.core import audit, bulk, clock, crypto, hot, idempotency, ids, slots, tokens
from app.core.audit import AuditLog
from app.core.db import session
from app.core.errors import Busy, NotFound, ProgrammingError
from app.core.idempotency import IdempotencyKeyReused
from app.core.locks import lock_name
from app.core.slots import Slot
from app.core.tokens import TokenInvalid
from app.core.transaction import is_open, transaction


def test_ids_are_unique_and_ordered_across_threads():
    taken: list[int] = []

    def take() -> None:
        taken.extend(ids.new_ids(5000))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 20_000
    block = ids.new_ids(1000)
    assert block == sorted(block)


def test_ids_tell_the_time_again_after_the_clock_was_set_back():
    with time_machine.travel(clock.now() + timedelta(minutes=5)):
        ahead = ids.new_ids(3)
    back = ids.new_ids(3)
    assert max(back) < min(ahead) and not set(back) & set(ahead)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_public_id_round_trip(value):
    assert ids.decode("mbr", ids.encode("mbr", value)) == value


@pytest.mark.parametrize(
    "text_", ["", "mbr_", "sto_0000000000000", "mbr_zzzzzzzzzzzzz", "mbr_000000000000u", "x" * 999]
)
def test_wrong_public_id_looks_missing(text_):
    with pytest.raises(NotFound):
        ids.decode("mbr", text_)


def test_transaction_does_not_nest(app):
    with transaction():
        assert is_open()
        with pytest.raises(ProgrammingError), transaction():
            pass
    assert not is_open()


_LOCK_X = "SELECT pg_advisory_xact_lock(hashtextextended('x', 0))"


@pytest.mark.parametrize("wait", [lambda: lock_name("x"), lambda: bulk.execute(_LOCK_X)], ids=["session", "driver"])
def test_lock_not_had_in_time_is_busy(app, wait):
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), transaction():
            lock_name("x")
            holding.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(5)
    try:
        with pytest.raises(Busy), transaction():
            session.execute(text("SET LOCAL lock_timeout = 100"))
            wait()
    finally:
        release.set()
        thread.join()


def test_idempotency_same_body_same_answer_other_body_conflict(app):
    calls = []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    def ask(body: object) -> dict[str, object]:
        with transaction():
            return idempotency.once(scope="s", key="k", digest=idempotency.request_hash("a", body), work=work)

    assert ask({"x": 1, "y": 2}) == {"n": 1}
    assert ask({"y": 2, "x": 1}) == {"n": 1}
    with pytest.raises(IdempotencyKeyReused):
        ask({"x": 2})
    assert len(calls) == 1


def test_idempotency_waits_for_the_first_of_two_at_once(app):
    """Without the unique row both would do the work: the twin counts what a read-then-write would have done."""
    started, results, calls = threading.Barrier(2), [], []

    def ask() -> None:
        with app.app_context():
            started.wait()
            with transaction():
                results.append(
                    idempotency.once(
                        scope="s", key="both", digest=b"d", work=lambda: calls.append(1) or {"call": len(calls)}
                    )
                )

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1] and results == [{"call": 1}, {"call": 1}]


def test_encryption_is_bound_to_its_context(app):
    sealed = crypto.encrypt("13912345678", context="a")
    assert sealed.startswith("t1:") and "139" not in sealed
    assert crypto.decrypt(sealed, context="a") == "13912345678"
    with pytest.raises(ProgrammingError):
        crypto.decrypt(sealed, context="b")
    assert crypto.blind_index("mobile", "1") == crypto.blind_index("mobile", "1") != crypto.blind_index("card", "1")


def test_token_is_bound_to_audience_time_and_revocation(app):
    token, seconds = tokens.issue("miniapp", {"person_id": "p"})
    claims = tokens.read("miniapp", token)
    assert claims["person_id"] == "p" and seconds == 7200
    with pytest.raises(TokenInvalid):
        tokens.read("admin", token)
    with pytest.raises(TokenInvalid):
        tokens.read("miniapp", token[:-2] + ("aa" if token[-2:] != "aa" else "bb"))
    with time_machine.travel(clock.now() + timedelta(hours=3)), pytest.raises(TokenInvalid):
        tokens.read("miniapp", token)
    with transaction():
        tokens.revoke(claims)
    with pytest.raises(TokenInvalid):
        tokens.read("miniapp", token)


def test_audit_chain_tells_a_changed_row(app):
    for number in range(3):
        with transaction():
            audit.record(actor="adm_1", action="test", subject=f"s{number}", number=number)
    assert audit.broken_links() == []
    with transaction():
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE audit_log SET subject = 'forged' WHERE subject = 's1'"))
    changed = session.scalar(select(AuditLog.id).where(AuditLog.subject == "forged"))
    assert audit.broken_links() == [changed]


def test_audit_log_refuses_changes(app):
    with transaction():
        audit.record(actor="a", action="test", subject="s")
    with pytest.raises(Exception, match="append-only"), transaction():
        session.execute(text("DELETE FROM audit_log"))


def test_hot_pool_reports_a_database_that_is_gone(app):
    good = hot._conninfo
    try:
        hot.configure("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", 1)
        hot_error = None
        try:
            hot.fetch_one("SELECT 1", {})
        except Exception as error:
            hot_error = error
        assert getattr(hot_error, "code", None) == "unavailable"
    finally:
        hot.configure(good, 4)


def test_slots_missed_are_caught_up_and_doubled_are_no_op(app):
    def hourly(moment: datetime) -> datetime:
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def step(at: datetime) -> int:
        with time_machine.travel(at, tick=False), transaction():
            return slots.open_due("t", "default", hourly, catch_up=3)

    base = datetime(2026, 1, 1, 10, 0, 30, tzinfo=UTC)
    assert step(base) == 1
    assert step(base) == 0
    assert step(base + timedelta(hours=2)) == 2
    assert step(base + timedelta(hours=12)) == 3
    assert session.scalar(select(Slot.at).order_by(Slot.at.desc()).limit(1)) == base.replace(hour=22, second=0)


def test_errors_have_one_shape(client):
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert set(answer.json) == {"code", "message", "data", "request_id"}
    assert answer.headers["X-Request-Id"] == answer.json["request_id"]


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"[" * 100 + b"]" * 100, "json_too_deep", 400),
        (b'{"a":' * 20000 + b"1" + b"}" * 20000, "json_too_deep", 400),
        (b'{"a": "' + b"x" * (1 << 20) + b'"}', "too_large", 413),
    ],
)
def test_hostile_json_is_refused(client, body, code, status):
    answer = client.post("/api/admin/v1/login", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_wrong_method_and_malformed_json_have_codes(client):
    wrong = client.get("/api/admin/v1/login")
    assert (wrong.status_code, wrong.json["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]
    malformed = client.post("/api/admin/v1/login", data=b"{", content_type="application/json")
    assert (malformed.status_code, malformed.json["code"]) == (400, "malformed_json")


def test_brackets_inside_strings_are_not_depth(client):
    answer = client.post("/nowhere", data=b'{"a": "' + b"[{" * 100 + b'"}', content_type="application/json")
    assert answer.status_code == 404


def test_settings_report_every_problem_at_once(monkeypatch):
    for name in ("DATABASE_URL", "SECRET_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENCRYPTION_KEYS", "k1:short")
    with pytest.raises(settings.SettingsError) as error:
        settings.load()
    for name in ("DATABASE_URL", "SECRET_KEY", "ENCRYPTION_KEYS"):
        assert name in str(error.value)


def test_production_refuses_unsafe_values(monkeypatch):
    monkeypatch.setenv("SIYU_ENV", "production")
    monkeypatch.setenv("SECRET_KEY", "short")
    with pytest.raises(settings.SettingsError) as error:
        settings.load()
    for name in ("SECRET_KEY", "PUBLIC_URL", "WECOM_API_BASE", "WECHAT_API_BASE"):
        assert name in str(error.value)
