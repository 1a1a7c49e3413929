"""A day of which a tenth of the callbacks is lost: after one reconciliation nothing of it is missing, and everything is
as it is after a day of which none was lost.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tencent import Tencent
from wecom_day import Day, digest, ours, theirs

from app.core.db import session
from app.core.transaction import transaction
from app.flows.sync import runs
from app.flows.sync.models import SyncRun

STATE = (
    "follow", "follow_tag", "corp_tag", "corp_tag_group", "group_chat", "group_chat_member", "department", "staff",
    "identity", "person", "refresh", "inbox", "delivery", "outbox", "sync_run", "sync_item", "sync_seen", "sync_drift",
)  # fmt: skip


def reconcile(tencent: Tencent, run_work) -> SyncRun:
    """One full run to its end."""
    with transaction():
        run_id = runs.start(brand_id=tencent.world.brand_id, kind="full", by="test").run_id
    run_work()
    with transaction():
        return runs.run_of(tencent.world.brand_id, run_id)


@pytest.mark.parametrize("seed", [1, 2])
def test_one_reconciliation_repairs_a_day_of_lost_callbacks(tencent, run_work, seed):
    day = Day(tencent, seed=seed)
    lost = day.play(120, lost=0.1, work=run_work)
    assert lost > 5
    with transaction():
        assert ours(tencent) != theirs(tencent)
    run = reconcile(tencent, run_work)
    assert (run.status, run.error) == ("done", None)
    with transaction():
        mine, real = ours(tencent), theirs(tencent)
    for part, rows in real.items():
        assert mine[part] == rows, part
    repaired = digest(mine)
    assert repaired == digest(real)

    # The same day again, nothing known, every callback delivered.
    with transaction():
        for table in STATE:
            session.execute(text(f"DELETE FROM {table}"))
    session.remove()
    tencent.waiting = list(day.events)
    tencent.deliver()
    run_work()
    run = reconcile(tencent, run_work)
    assert run.status == "done"
    with transaction():
        assert digest(ours(tencent)) == repaired
