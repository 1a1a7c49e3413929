"""Whom a list leaves out is gone only when WeCom says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tencent import Tencent
from wecom_day import Day

from app.channels.state import GroupChat
from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.flows.sync import ours, runs
from app.flows.sync.models import SyncRun
from app.org.models import Staff
from app.wechat.simulator.errors import WireError


def reconcile(tencent: Tencent, run_work: Any) -> SyncRun:
    """One full run to its end; what is gone is confirmed where so much of so little has to be."""
    with transaction():
        run_id = runs.start(brand_id=tencent.world.brand_id, kind="full", by="test").run_id
    run_work()
    if state(tencent, run_id).status == "waiting":
        with transaction():
            runs.confirm(brand_id=tencent.world.brand_id, run_id=run_id, by="test")
        run_work()
    return state(tencent, run_id)


def state(tencent: Tencent, run_id: int) -> SyncRun:
    with transaction():
        return runs.run_of(tencent.world.brand_id, run_id)


def an_hour_ago(table: Any) -> None:
    """What we know is older than any lag of WeCom's answers."""
    with transaction():
        session.execute(update(table).values(changed_at=clock.now() - timedelta(hours=1)))


def test_whom_no_department_shows_is_asked_for(tencent, run_work):
    """The application sees somebody and none of their departments; somebody else left and we were not told."""
    Day(tencent, seed=5)
    office = tencent.engine.office
    for userid, department in (("alone", 99), ("gone", 2)):
        office.put_staff(tencent.corp_id, {"userid": userid, "name": userid, "departments": [department]})
    tencent.deliver()
    run_work()
    an_hour_ago(Staff)
    tencent.engine.world.staff.drop(f"{tencent.corp_id}|gone")
    run = reconcile(tencent, run_work)
    assert (run.status, run.counts["staff"]["lost"]) == ("done", 1)
    with transaction():
        present = {row.userid for row in ours.staff_present(tencent.corp_id)}
    assert "alone" in present and "gone" not in present


@pytest.mark.parametrize("errcode", [40050, 49008])
def test_a_group_of_whose_end_nobody_told(tencent, run_work, errcode):
    """WeCom answers that there is no such group, or that it was dismissed."""
    day = Day(tencent, seed=5)
    for _ in range(3):
        day.open_chat()
    reconcile(tencent, run_work)
    an_hour_ago(GroupChat)
    for chat_id in day.chats[1:]:
        tencent.engine.groups.dismiss(chat_id)
    tencent.waiting = []
    shape = tencent.engine.groups.shape

    def answer(app: Any, chat_id: str, *, names: bool) -> dict[str, Any]:
        if chat_id not in tencent.engine.world.chats:
            raise WireError(errcode)
        return shape(app, chat_id, names=names)

    tencent.engine.groups.shape = answer
    assert reconcile(tencent, run_work).counts["groups"]["lost"] == 2
    with transaction():
        assert [row.chat_id for row in ours.chats(tencent.corp_id)] == day.chats[:1]
