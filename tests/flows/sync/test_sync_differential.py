"""A day of which a tenth of the callbacks is lost: after one reconciliation nothing of it is missing."""

from __future__ import annotations

import pytest
from tencent import Tencent
from wecom_day import Day, digest, ours, theirs

from app.core.transaction import transaction
from app.flows.sync import runs
from app.flows.sync.models import SyncRun


def reconcile(tencent: Tencent, run_work, kind: str = "full") -> SyncRun:
    """One run to its end."""
    with transaction():
        run_id = runs.start(brand_id=tencent.world.brand_id, kind=kind, by="test").run_id
    run_work()
    with transaction():
        return runs.run_of(tencent.world.brand_id, run_id)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_reconciliation_repairs_a_day_of_lost_callbacks(tencent, run_work, seed):
    day = Day(tencent, seed=seed)
    lost = day.play(200, lost=0.1, work=run_work)
    assert lost > 10
    with transaction():
        assert ours(tencent) != theirs(tencent)
    run = reconcile(tencent, run_work)
    assert (run.status, run.error) == ("done", None)
    with transaction():
        mine, real = ours(tencent), theirs(tencent)
    for part, rows in real.items():
        assert mine[part] == rows, part
    assert digest(mine) == digest(real)
