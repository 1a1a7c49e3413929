from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.sop import rules
from app.sop.errors import EvidenceInvalid, SopInvalid

ZONE = ZoneInfo("Asia/Shanghai")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("trigger", "moments"),
    [
        ({"every": "day", "at": "09:00"}, {"2026-11-22 08:59": None, "2026-11-22 09:00": "2026-11-22"}),
        ({"every": "once", "at": "09:00"}, {"2026-11-22 08:59": None, "2026-11-23 10:00": "once"}),
        (
            {"every": "week", "at": "09:00", "weekday": 7},
            {"2026-11-21 23:00": None, "2026-11-22 09:00": "2026-W47", "2026-11-23 09:00": None},
        ),
        ({"every": "week", "at": "09:00"}, {"2026-11-23 09:00": "2026-W48", "2026-11-24 01:00": "2026-W48"}),
        (
            {"every": "month", "at": "09:00", "day": 5},
            {"2026-11-05 08:00": None, "2026-11-05 09:00": "2026-11", "2026-11-30 00:01": "2026-11"},
        ),
    ],
    ids=lambda value: value.get("every", "") if isinstance(value, dict) else "",
)
def test_a_scheduled_sop_owes_one_run_a_period(trigger: dict, moments: dict[str, str | None]) -> None:
    assert {text: rules.due_period(trigger, _at(text), ZONE) for text in moments} == moments


def test_a_step_comes_due_in_the_brands_time() -> None:
    at = _at("2026-11-22 22:30")
    assert rules.due_at(at, ZONE, 0, None) == at
    assert rules.due_at(at, ZONE, 0, "10:00") == at  # the time of day has passed: at once
    assert rules.due_at(at, ZONE, 1, "10:00") == _at("2026-11-23 10:00")
    assert rules.due_at(at, ZONE, 2, None) == _at("2026-11-24 22:30")


@pytest.mark.parametrize(
    "trigger",
    [
        {},
        {"event": "weather.changed"},
        {"event": "members.bound", "every": "day"},
        {"segment_id": "1", "every": "day", "at": "09:00"},
        {"segment_id": 1, "every": "hour", "at": "09:00"},
        {"segment_id": 1, "every": "day", "at": "9:00"},
        {"segment_id": 1, "every": "week", "at": "09:00", "weekday": 0},
        {"segment_id": 1, "every": "month", "at": "09:00", "day": 31},
        {"segment_id": 1, "every": "month", "at": "09:00", "minute": 3},
    ],
    ids=str,
)
def test_a_trigger_nobody_understands_is_refused(trigger: dict) -> None:
    with pytest.raises(SopInvalid):
        rules.check_trigger(trigger)


def test_the_ladder_climbs() -> None:
    assert rules.check_assignment({"escalate_hours": 8}) == {
        "remind_hours": 0,
        "escalate_hours": 8,
        "expire_hours": 72,
    }
    for wrong in ({"escalate_hours": 100}, {"escalate_hours": -1}, {"pay_hours": 1}):
        with pytest.raises(SopInvalid):
            rules.check_assignment(wrong)


def test_evidence_proves_the_action() -> None:
    sent = {"kind": "sidebar_send", "msgtype": "text", "external_userid": "wm1", "more": "x"}
    assert rules.check_evidence("message", sent) == {
        "kind": "sidebar_send",
        "msgtype": "text",
        "external_userid": "wm1",
    }
    assert rules.check_evidence("call", {"kind": "note", "note": " 已联系 "}) == {"kind": "note", "note": "已联系"}
    for action, wrong in (
        ("message", {}),
        ("message", {"kind": "note", "note": "我发过了"}),
        ("message", {"kind": "sidebar_send", "msgtype": "text"}),
        ("call", {"kind": "note", "note": " "}),
        ("call", sent),
    ):
        with pytest.raises(EvidenceInvalid):
            rules.check_evidence(action, wrong)
