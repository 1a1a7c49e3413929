"""`flask doctor` and `flask distribute` as an operator types them."""

from __future__ import annotations

from sqlalchemy import text

from app.core import audit, ids, inbox
from app.core.db import session
from app.core.inbox import Inbox
from app.core.transaction import transaction


def _run(app, *arguments: str):
    return app.test_cli_runner().invoke(args=arguments)


def test_invariants_print_a_line_each_and_end_well(app) -> None:
    result = _run(app, "doctor", "invariants")
    assert result.exit_code == 0, result.output
    assert "0 broken" in result.output


def test_invariants_end_with_one_when_a_rule_is_broken(app) -> None:
    with transaction():
        session.add(Inbox(source="t", key="k", kind="t", payload={}, correlation_id="cor_t", status="dead"))
    result = _run(app, "doctor", "invariants", "--only", "core.")
    assert result.exit_code == 1
    assert "1 broken" in result.output


def test_work_shows_and_revives_the_dead(app) -> None:
    row_id = ids.new_id()
    with transaction():
        session.add(
            Inbox(
                id=row_id, source="t", key="k", kind="t", payload={}, correlation_id="cor_t", status="dead",
                last_error="boom",
            )
        )  # fmt: skip
    assert _run(app, "doctor", "work").exit_code == 1
    result = _run(app, "doctor", "work", "--revive", f"inbox:{row_id}")
    assert result.exit_code == 0 and "due again" in result.output
    assert _run(app, "doctor", "work", "--revive", "inbox:x").exit_code == 2


def test_audit_finds_a_changed_row(app) -> None:
    with transaction():
        for n in range(3):
            audit.record(actor="adm_1", action="test.done", subject=f"thing {n}", n=n)
    assert _run(app, "doctor", "audit").exit_code == 0
    with transaction():
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE audit_log SET data = '{}' WHERE subject = 'thing 1'"))
    result = _run(app, "doctor", "audit")
    assert result.exit_code == 1 and "1 broken links" in result.output


def test_distribute_changes_nothing_without_the_extension(app) -> None:
    result = _run(app, "distribute")
    assert result.exit_code == 0, result.output
    assert "nothing was changed" in result.output
    assert "brand                       reference" in result.output


def test_callbacks_are_counted_by_kind_with_the_unknown_first(app) -> None:
    kinds = ["wecom.change_external_tag.shuffle", "wecom.tomorrows_event", "wecom.tomorrows_event", "wecom.enter_agent"]
    for number, kind in enumerate(kinds):
        inbox.receive(source="wecom:ww1", key=str(number), kind=kind, payload={})
    lines = _run(app, "doctor", "callbacks").output.splitlines()
    shown = [line.split()[:3] for line in lines[:-1]]
    assert shown == [
        ["wecom.tomorrows_event", "2", "unknown"],
        ["wecom.enter_agent", "1", "kept"],
        ["wecom.change_external_tag.shuffle", "1", "handled"],
    ]
    assert "1 waiting" in lines[2] and lines[-1] == "3 kinds, 1 unknown"
