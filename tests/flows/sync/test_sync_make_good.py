"""What a callback asked about in vain is read by the next reconciliation, a partial one too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from tencent import Tencent

from app.channels.models import Follow
from app.core import clock
from app.core.db import session
from app.core.outbox import Delivery
from app.core.transaction import transaction
from app.flows.sync import runs
from app.flows.sync.models import SyncItem


def asked_by(tencent: Tencent, run_work: Any) -> list[str]:
    """Customers and groups that a partial run asked about by themselves."""
    with transaction():
        run_id = runs.start(brand_id=tencent.world.brand_id, kind="incremental", by="test").run_id
    run_work()
    with transaction():
        assert runs.run_of(tencent.world.brand_id, run_id).status == "done"
        asked = select(SyncItem.subject).where(SyncItem.run_id == run_id, SyncItem.step.in_(("contacts", "chats")))
        return list(session.scalars(asked))


@pytest.mark.parametrize("errcode", [40058, 48002], ids=["refused", "never allowed"])
def test_an_edit_that_could_not_be_read(tencent, run_work, errcode):
    tencent.add("anna")
    tencent.deliver()
    run_work()
    tencent.engine.faults.inject({"api": "externalcontact/get", "errcode": errcode})
    tencent.engine.contacts.edit(tencent.corp_id, "guide1", tencent.customer("anna"), remark="老顾客")
    tencent.deliver()
    for tries in range(25):
        with time_machine.travel(clock.now() + tries * timedelta(minutes=31)):
            run_work()
    with transaction():
        assert session.scalars(select(Delivery.status).where(Delivery.subscriber == "wecom.refresh")).all() == ["dead"]
    tencent.engine.faults.reset()
    with time_machine.travel(clock.now() + timedelta(days=3)):
        assert asked_by(tencent, run_work) == [tencent.external("anna")]
        with transaction():
            assert session.scalar(select(Follow.remark)) == "老顾客"
    with time_machine.travel(clock.now() + timedelta(days=6)):
        assert asked_by(tencent, run_work) == []
