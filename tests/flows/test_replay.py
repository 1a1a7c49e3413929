"""A day of callbacks of every kind ends in one state, in whatever order and however often they come."""

from __future__ import annotations

import itertools
import random
from typing import Any

from callback_day import OFFICIAL, Day, digest, forget_all, state
from sqlalchemy import func, select

from app.channels.models import Follow
from app.core.db import session
from app.core.inbox import Inbox
from app.flows.callbacks import told

Events = list[tuple[str, dict[str, Any]]]
LATEST = 1 << 32


def deliver(tencent: Any, run_work: Any, events: Events) -> None:
    """Post callbacks in this order; what they lead to is worked off in groups, as workers do."""
    for number, (receiver, fields) in enumerate(events, 1):
        assert tencent.post(receiver, fields) == 200
        if number % 25 == 0:
            run_work()
    run_work()
    assert session.scalar(select(func.count()).where(Inbox.status != "done")) == 0


def disordered(events: Events, seed: int) -> Events:
    """The same callbacks shuffled, a third of them twice."""
    chance = random.Random(seed)
    mixed = [*events, *chance.sample(events, k=len(events) // 3)]
    chance.shuffle(mixed)
    return mixed


def test_a_day_shuffled_and_doubled_ends_as_the_day_itself(tencent, world, run_work) -> None:
    events = Day(tencent, seed=7).play(150)
    kinds = {(fields.get("Event"), fields.get("ChangeType")) for _, fields in events}
    assert len(events) > 140 and len(kinds) > 20 and any(receiver == OFFICIAL for receiver, _ in events)
    deliver(tencent, run_work, events)
    told_in_order, right = state(), digest()
    assert len(told_in_order["follow"]) > 20 and told_in_order["group_chat_member"] and told_in_order["staff_rename"]
    assert told_in_order["arrival"]
    for seed in (1, 2):
        forget_all(world)
        assert digest() != right
        deliver(tencent, run_work, disordered(events, seed))
        for table, rows in state().items():
            assert rows == told_in_order[table], f"{table}, seed {seed}"
        assert digest() == right


def test_without_the_moments_of_callbacks_the_order_decides(tencent, world, run_work, monkeypatch) -> None:
    """The twin: where each callback counts as the newest, as if nobody compared their moments, a shuffled day ends
    elsewhere.
    """
    events = Day(tencent, seed=7).play(80)
    deliver(tencent, run_work, events)
    right = digest(times=False)
    forget_all(world)
    read, arrivals = told.number, itertools.count(LATEST)
    monkeypatch.setattr(
        told, "number", lambda fields, name: next(arrivals) if name == "CreateTime" else read(fields, name)
    )
    deliver(tencent, run_work, disordered(events, 1))
    assert digest(times=False) != right


def test_a_burst_of_edits_is_asked_about_once(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.deliver()
    run_work()
    asked = calls(tencent, "externalcontact/get")
    for number in range(10):
        tencent.engine.contacts.edit(tencent.corp_id, "guide1", tencent.customer("anna"), remark=f"备注{number}")
        tencent.engine.world.advance(1)
    tencent.deliver()
    run_work()
    assert calls(tencent, "externalcontact/get") == asked + 1
    assert session.scalar(select(Follow.remark)) == "备注9"


def calls(tencent: Any, api: str) -> int:
    """How often a call of WeCom was made."""
    return len([row for row in tencent.engine.journal.after(0, 5000, "call") if row["name"].endswith(api)])
