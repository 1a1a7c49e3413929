"""Trace: from any end of the thread to the whole of it, and nothing of anybody else."""

from __future__ import annotations

import pytest
from console_world import PHONE, make_busy
from factories import make_world
from people import make_member

from app.core import audit, clock, context, ids, outbox
from app.core.db import session
from app.core.errors import NotFound
from app.core.inbox import Inbox
from app.core.transaction import transaction
from app.flows.trace import trace
from app.members import queries as members
from app.members.events import GuideAssigned
from app.privacy import commands as privacy


def _tables(journey) -> set[str]:
    return {step.table for step in journey.steps}


def test_one_correlation_id_leads_to_the_whole_journey(app) -> None:
    busy = make_busy()
    with transaction():
        session.add(
            Inbox(
                source="wecom", key="k", kind="wecom.add_external_contact", payload={"name": "王小明"},
                correlation_id=busy.correlation, status="done",
            )
        )  # fmt: skip
        with context.correlated("cor_console"):
            audit.record(actor="adm_x", action="members.viewed", subject=ids.encode("mbr", busy.member))
    with transaction():
        outbox.fan_out(100)
    journey = trace(busy.correlation)
    assert journey.person_ids == [busy.person]
    assert journey.members == [(busy.world.brand_id, busy.member)]
    assert journey.correlations >= {"cor_added", "cor_bound", "cor_task", "cor_till"}
    assert "cor_second" not in journey.correlations
    assert _tables(journey) >= {
        "inbox", "outbox", "delivery", "follow", "identity", "member", "guide_history", "guide_task", "coupon",
        "coupon_event", "redemption", "sales_order", "journal", "idempotency_key", "audit_log", "member_tier",
    }  # fmt: skip
    assert [step.at for step in journey.steps] == sorted(step.at for step in journey.steps)
    assert all(step.correlation_id for step in journey.steps)


def test_every_end_of_the_thread_leads_to_the_same_journey(app) -> None:
    busy = make_busy()
    member = members.member(busy.world.brand_id, busy.member)
    starts = [busy.correlation, ids.encode("mbr", busy.member), ids.encode("prs", busy.person), member.number]
    found = [[(step.at, step.table, step.what) for step in trace(start).steps] for start in starts]
    assert all(one == found[0] for one in found)


def test_no_personal_data_is_printed(app) -> None:
    busy = make_busy()
    result = app.test_cli_runner().invoke(args=["trace", busy.correlation])
    assert result.exit_code == 0, result.output
    assert "coupons.redeemed" in result.output and ids.encode("mbr", busy.member) in result.output
    for secret in ("王小明", PHONE, PHONE[-4:] + " ", "WELCOMECODE"):
        assert secret not in result.output


def test_work_for_many_is_not_followed_to_the_others(app) -> None:
    busy = make_busy()
    with context.correlated("cor_nightly"), transaction():
        for member in (busy.member, busy.other):
            row = members.member(busy.world.brand_id, member)
            audit.record(actor="machine", action="night", subject=row.number)
            _assigned(row)
    journey = trace(ids.encode("mbr", busy.member))
    assert "cor_nightly" in journey.shared
    assert [step.what for step in journey.steps].count("members.guide_assigned") == 2  # the story's and the night's
    many = trace("cor_nightly")
    assert many.person_ids == []
    assert {step.correlation_id for step in many.steps} == {"cor_nightly"}


def _assigned(row) -> None:
    outbox.emit(
        GuideAssigned(
            brand_id=row.brand_id, member_id=row.member_id, person_id=row.person_id, guide_id=1, store_id=1, reason="x"
        )
    )


def test_another_brand_sees_nothing(app) -> None:
    busy, stranger = make_busy(), make_world()
    for start in (busy.correlation, ids.encode("mbr", busy.member), ids.encode("prs", busy.person)):
        with pytest.raises(NotFound):
            trace(start, brand_id=stranger.brand_id)
    assert trace(busy.correlation, brand_id=busy.world.brand_id).steps


@pytest.mark.parametrize("start", ["cor_unknown", "mbr_0000000000001", "prs_0000000000001", "mbr_x", "000", ""])
def test_an_unknown_id_is_not_found(app, start) -> None:
    with pytest.raises(NotFound):
        trace(start)
    result = app.test_cli_runner().invoke(args=["trace", start])
    assert result.exit_code == 1 and "nothing is known" in result.output


def test_the_newest_steps_are_kept_when_cut(app) -> None:
    busy = make_busy()
    journey = trace(busy.correlation, limit=3)
    assert journey.cut and len(journey.steps) == 3
    assert journey.steps[-1].at <= clock.now()


def test_what_somebody_said_of_their_data_is_a_step_of_the_journey(world) -> None:
    with context.correlated("cor_said"), transaction():
        member_id = make_member(world)
        member = members.member(world.brand_id, member_id)
        privacy.record(
            brand_id=world.brand_id,
            person_id=member.person_id,
            purpose="marketing",
            channel="sms",
            granted=False,
            source="miniapp",
        )
    steps = trace("cor_said", brand_id=world.brand_id).steps
    (said,) = [step for step in steps if step.table == "consent"]
    assert said.facts["purpose"] == "marketing" and said.facts["granted"] is False
