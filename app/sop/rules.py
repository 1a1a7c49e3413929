"""Triggers, times and evidence. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .errors import EvidenceInvalid, SopInvalid

EVENTS = ("members.bound", "tiers.upgraded", "sales.order_paid")
EVERY = ("once", "day", "week", "month")
# How an action reaches a member: what they refuse there, no task asks for (channels of app.privacy).
CHANNEL_OF = {"message": "wecom", "call": "call", "invite": "any"}
ACTIONS = tuple(CHANNEL_OF)
LADDER = {"remind_hours": 0, "escalate_hours": 4, "expire_hours": 72}
MAX_STEPS = 20

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Step:
    """One step as an operator writes it; see models.SopStep."""

    title: str
    action: str = "message"
    day_offset: int = 0
    local_time: str | None = None
    material_id: int | None = None
    campaign_id: int | None = None
    deadline_hours: int = 24


def check_trigger(trigger: Mapping[str, Any]) -> None:
    """An event's name, or a segment with a rhythm: every once|day|week|month, at "HH:MM", weekday 1-7, day 1-28."""
    if "event" in trigger:
        if set(trigger) != {"event"} or trigger["event"] not in EVENTS:
            raise SopInvalid(field="trigger.event", known=list(EVENTS))
        return
    if set(trigger) - {"segment_id", "every", "at", "weekday", "day"} or type(trigger.get("segment_id")) is not int:
        raise SopInvalid(field="trigger")
    if trigger.get("every") not in EVERY:
        raise SopInvalid(field="trigger.every", known=list(EVERY))
    if not _TIME.fullmatch(str(trigger.get("at", ""))):
        raise SopInvalid(field="trigger.at")
    if trigger.get("weekday", 1) not in range(1, 8):
        raise SopInvalid(field="trigger.weekday")
    if trigger.get("day", 1) not in range(1, 29):
        raise SopInvalid(field="trigger.day")


def check_assignment(assignment: Mapping[str, Any]) -> dict[str, int]:
    """The ladder's hours after the deadline, complete and in order."""
    merged = {**LADDER, **assignment}
    hours = [merged[name] for name in LADDER]
    if set(merged) != set(LADDER) or not all(type(one) is int and 0 <= one <= 24 * 90 for one in hours):
        raise SopInvalid(field="assignment")
    if hours != sorted(hours):
        raise SopInvalid(field="assignment")
    return merged


def check_step(step: Step) -> None:
    if not 0 < len(step.title) <= 40:
        raise SopInvalid(field="step.title")
    if step.action not in ACTIONS:
        raise SopInvalid(field="step.action", known=list(ACTIONS))
    if step.action == "message" and step.material_id is None:
        raise SopInvalid("A message needs material.", field="step.material_id")
    if step.local_time is not None and not _TIME.fullmatch(step.local_time):
        raise SopInvalid(field="step.local_time")
    if not 0 <= step.day_offset <= 365 or not 0 < step.deadline_hours <= 24 * 30:
        raise SopInvalid(field="step.day_offset")


def due_period(trigger: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> str | None:
    """The name of the period a scheduled SOP owes a run at `now`, or None before its time of day has come.

    A run that was missed is owed until its period ends, so an outage over night delays it and loses nothing.
    """
    local = now.astimezone(zone)
    hour, minute = map(int, trigger["at"].split(":"))
    reached = local.time() >= time(hour, minute)
    every = trigger["every"]
    if every == "once":
        return "once" if reached else None
    if every == "day":
        return local.date().isoformat() if reached else None
    if every == "week":
        year, week, weekday = local.isocalendar()
        wanted = trigger.get("weekday", 1)
        return f"{year}-W{week:02d}" if weekday > wanted or (weekday == wanted and reached) else None
    wanted = trigger.get("day", 1)
    return f"{local:%Y-%m}" if local.day > wanted or (local.day == wanted and reached) else None


def due_at(at: datetime, zone: ZoneInfo, day_offset: int, local_time: str | None) -> datetime:
    """When a step that was triggered `at` comes due; a time of day that has passed on day 0 means at once."""
    if local_time is None:
        return at + timedelta(days=day_offset)
    hour, minute = map(int, local_time.split(":"))
    day = at.astimezone(zone).date() + timedelta(days=day_offset)
    return max(at, datetime.combine(day, time(hour, minute), tzinfo=zone).astimezone(at.tzinfo))


def check_evidence(action: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the evidence worth keeping; EvidenceInvalid when it proves nothing.

    A message is proved by the sidebar's send event, `{"kind": "sidebar_send", "msgtype": .., "external_userid": ..}`;
    a call or an invitation by what the guide notes, `{"kind": "note", "note": ..}`.
    """
    kind = evidence.get("kind")
    if action == "message":
        msgtype, customer = evidence.get("msgtype"), evidence.get("external_userid")
        if kind != "sidebar_send" or msgtype not in ("text", "image", "news", "miniprogram"):
            raise EvidenceInvalid("The message has to be sent from the sidebar.", needs="sidebar_send")
        if not isinstance(customer, str) or not 0 < len(customer) <= 128:
            raise EvidenceInvalid(needs="external_userid")
        return {"kind": kind, "msgtype": msgtype, "external_userid": customer}
    note = str(evidence.get("note") or "").strip()
    if kind != "note" or not 2 <= len(note) <= 500:
        raise EvidenceInvalid("A note of 2 to 500 characters is needed.", needs="note")
    return {"kind": kind, "note": note}
