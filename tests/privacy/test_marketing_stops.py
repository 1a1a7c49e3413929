"""A refusal ends marketing: no new tasks, the open ones taken back, no coupons from guides; service goes on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from invariants import broken
from people import make_follow, make_member
from privacy_shop import Shop, sign_in_guide
from sqlalchemy import select

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.dashboards.queries import lists
from app.dashboards.reach import Reach
from app.members import queries as members
from app.segments import commands as segments
from app.sop import commands as sop
from app.sop.models import GuideTask, SopRun
from app.sop.rules import Step

MORNING = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)  # 09:30 in Shanghai


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("privacy.", "sop.", "coupons.") == []


def _start(shop: Shop) -> list[int]:
    with transaction():
        return sop.start(
            brand_id=shop.brand,
            member_id=shop.member,
            trigger="members.bound",
            at=clock.now(),
            guide_id=shop.world.guide.id,
            store_id=shop.world.store.id,
        )


def test_an_event_gives_only_the_tasks_the_member_may_be_reached_by(shop: Shop) -> None:
    shop.say(False, channel="wecom")
    assert len(_start(shop)) == 1, "the call stays, the message does not"
    shop.say(False)
    with transaction():
        session.query(GuideTask).delete()
    assert _start(shop) == []


def test_open_tasks_are_taken_back_and_done_ones_stay(shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    first, second = _start(shop)
    with transaction():
        sop.complete(
            brand_id=shop.brand,
            task_id=first,
            guide_id=shop.world.guide.id,
            evidence={"kind": "sidebar_send", "msgtype": "text", "external_userid": "wm_1"},
        )
    shop.say(False)
    run_work()
    assert dict(session.execute(select(GuideTask.task_id, GuideTask.status)).all()) == {
        first: "done",
        second: "cancelled",
    }


def test_refusing_profiling_stops_no_task(shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    _start(shop)
    shop.say(False, purpose="profiling")
    run_work()
    assert set(session.scalars(select(GuideTask.status))) == {"open"}


def test_a_run_leaves_out_who_refuses_and_says_how_many(shop: Shop) -> None:
    with transaction():
        others = [make_member(shop.world, guide=shop.world.guide) for _ in range(3)]
        segment = segments.save_segment(
            brand_id=shop.brand, name="所有人", rule={"field": "joined_at", "op": "within_days", "value": 3000}
        )
        sop.save(
            brand_id=shop.brand,
            code="wake",
            name="唤醒",
            trigger={"segment_id": segment, "every": "day", "at": "09:00"},
            steps=[
                Step(title="发问候", material_id=shop.world.extra["material"]),  # type: ignore[arg-type]
                Step(title="回访", action="call", day_offset=1, local_time="10:00"),
            ],
        )
    shop.say(False)
    row = members.member(shop.brand, others[0])
    assert row is not None
    shop.say(False, channel="call", person=row.person_id)
    with time_machine.travel(MORNING), transaction():
        sop.open_runs()
    with transaction():
        while sop.advance(chunk=2):
            pass
    run = session.scalars(select(SopRun)).one()
    assert (run.audience, run.created, run.refused) == (4, 5, 3)
    reached = session.execute(select(GuideTask.member_id, GuideTask.step_id)).all()
    assert shop.member not in {member for member, _ in reached} and len(reached) == 5
    assert [line.refused for line in lists.sops(Reach(shop.brand)) if line.code == "wake"] == [3]


def test_a_guide_gives_no_coupon_to_who_wants_no_advertising(shop: Shop, client) -> None:  # type: ignore[no-untyped-def]
    guide = shop.world.guide
    with transaction():
        make_follow(shop.world, guide, external_userid="wm_1", person_id=shop.person)
        campaign = coupons.create_campaign(
            brand_id=shop.brand,
            code="new",
            name="新人券",
            terms=Terms(kind="amount", amount_fen=5000, per_member=2, valid_days=30),
            quota=100,
            claimable=True,
        )
    sign_in_guide(client, guide)

    def give(key: str):  # type: ignore[no-untyped-def]
        return client.post(
            "/api/sidebar/v1/customers/wm_1/coupons",
            json={"campaign": ids.encode("cmp", campaign)},
            headers={"Idempotency-Key": key},
        )

    assert give("first-one").status_code == 201
    shop.say(False, channel="wecom")
    refused = give("second-one")
    assert (refused.status_code, refused.json["code"]) == (409, "marketing_refused")
