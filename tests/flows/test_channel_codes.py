"""Channel codes: told to WeCom once, found again when an answer was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from at_once import at_once
from code_show import code, dead, later, order, ways
from invariants import broken
from sqlalchemy import func, select

from app.channels.codes import commands
from app.channels.codes.errors import CodeInvalid, CodeRetired, StateTaken
from app.channels.codes.models import ChannelCode
from app.core import clock, outbox, slots
from app.core.db import session
from app.core.outbox import Delivery
from app.core.transaction import transaction
from app.flows import channel_codes
from app.flows.channel_codes import TELL

ADD = "externalcontact/add_contact_way"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.", "members.", "channels.") == []


def test_a_code_is_made_changed_and_deleted_at_wecom(tencent, world, run_work) -> None:
    code_id = order(world)
    assert code(code_id).status == "ordered" and not ways(tencent)
    run_work()
    (way,) = ways(tencent)
    made = code(code_id)
    assert (made.status, made.config_id, made.qr_code) == (
        "live",
        way.config_id,
        f"http://simulator.invalid/qr/{way.config_id}.png",
    )
    assert (way.state, way.remark, way.user, way.skip_verify) == ("shop-1", "一号店", ["guide1", "guide2"], True)

    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"users": ["guide1"], "name": "一店"})
    run_work()
    assert (way.user, way.remark) == (["guide1"], "一店")
    changed = code(code_id)
    assert (changed.version, changed.applied_version, changed.config_id) == (2, 2, way.config_id)

    with transaction():
        commands.retire_code(brand_id=world.brand_id, code_id=code_id)
        commands.retire_code(brand_id=world.brand_id, code_id=code_id)
    run_work()
    gone = code(code_id)
    assert (gone.status, gone.config_id) == ("retired", None) and not ways(tencent) and not dead()
    with pytest.raises(CodeRetired), transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"name": "x"})


def test_the_same_event_twice_makes_one_contact_way(tencent, world, run_work) -> None:
    code_id = order(world)
    with transaction():
        outbox.emit(channel_codes.CodeChanged(brand_id=world.brand_id, code_id=code_id))
    run_work()
    run_work()
    assert len(ways(tencent)) == 1


@pytest.mark.parametrize("moment", ["before the call", "after the call"])
def test_a_killed_worker_leaves_one_contact_way_whose_id_is_known(
    tencent, world, run_work, monkeypatch, moment
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    code_id = order(world)
    killed = replace(TELL, call=die) if moment == "before the call" else replace(TELL, record=die)
    with monkeypatch.context() as patch:
        patch.setattr(outbox.subscriber("codes.tell"), "handler", killed)
        with pytest.raises(SystemExit):
            run_work()
    before = len(ways(tencent))
    assert before == (0 if moment == "before the call" else 1)
    assert code(code_id).reserved_at is not None and code(code_id).config_id is None
    later(run_work, minutes=2)
    (way,) = ways(tencent)
    assert code(code_id).config_id == way.config_id and code(code_id).status == "live"
    assert code(code_id).reserved_at is None and not dead()


def test_without_the_search_a_killed_worker_would_leave_a_second_one(tencent, world, run_work, monkeypatch) -> None:
    """The twin: what the search is for."""

    def die(*_: object) -> None:
        raise SystemExit

    order(world)
    with monkeypatch.context() as patch:
        patch.setattr(outbox.subscriber("codes.tell"), "handler", replace(TELL, record=die))
        with pytest.raises(SystemExit):
            run_work()
    monkeypatch.setattr(channel_codes, "_found", lambda *_: None)
    later(run_work, minutes=2)
    assert len(ways(tencent)) == 2


def test_a_lost_answer_is_looked_for_and_not_asked_for_again(tencent, world, run_work) -> None:
    tencent.engine.faults.inject({"api": ADD, "latency_ms": 60_000, "count": 1})  # made, but nobody hears of it
    code_id = order(world)
    run_work()
    assert len(ways(tencent)) == 1 and code(code_id).config_id is None
    later(run_work, minutes=2)
    assert len(ways(tencent)) == 1 and code(code_id).config_id == ways(tencent)[0].config_id


def test_a_lost_request_is_asked_for_again(tencent, world, run_work) -> None:
    tencent.engine.faults.inject({"api": ADD, "drop": True, "count": 1})
    code_id = order(world)
    run_work()
    assert not ways(tencent)
    later(run_work, minutes=2)
    assert len(ways(tencent)) == 1 and code(code_id).status == "live"


def test_two_made_by_two_tries_end_as_one(tencent, world, run_work) -> None:
    """A call that arrived after the search: the next search keeps one and deletes the other."""
    code_id = order(world)
    app = next(iter(tencent.engine.world.apps))
    body = {"type": 2, "scene": 2, "user": ["guide1"], "state": "shop-1"}
    for _ in range(2):
        tencent.engine.ways.add(app, body)
    with transaction():
        session.get_one(ChannelCode, code_id).reserved_at = clock.now()
    run_work()
    (way,) = ways(tencent)
    assert code(code_id).config_id == way.config_id and way.user == ["guide1", "guide2"]


def test_the_search_walks_all_pages_and_takes_no_other_codes_way(tencent, world, run_work) -> None:
    other = order(world, state="other-1")
    run_work()
    app = next(iter(tencent.engine.world.apps))
    for n in range(230):
        tencent.engine.ways.add(app, {"type": 2, "scene": 2, "user": ["guide1"], "state": f"foreign-{n}"})
    tencent.engine.faults.set_quota("externalcontact/get_contact_way", 100_000, None)
    code_id = order(world)
    with transaction():
        session.get_one(ChannelCode, code_id).reserved_at = clock.now()
    tencent.engine.ways.add(app, {"type": 2, "scene": 2, "user": ["guide1"], "state": "shop-1"})
    run_work()
    assert len(ways(tencent)) == 232
    assert code(code_id).config_id == ways(tencent)[-1].config_id != code(other).config_id


@pytest.mark.parametrize(
    ("errcode", "reason"),
    [(41054, "member_inactive"), (84074, "member_without_contact_right"), (41045, "contact_way_limit")],
)
def test_a_refusal_is_shown_and_may_be_mended(tencent, world, run_work, errcode, reason) -> None:
    tencent.engine.faults.inject({"api": ADD, "errcode": errcode, "count": 1})
    code_id = order(world)
    run_work()
    refused = code(code_id)
    assert (refused.status, refused.error, refused.reserved_at, refused.busy_until) == ("failed", reason, None, None)
    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"users": ["guide2"]})
    run_work()
    assert (code(code_id).status, code(code_id).error) == ("live", None) and not dead()


def test_busy_and_forbidden_servers_are_asked_again(tencent, world, run_work) -> None:
    code_id = order(world)
    for errcode in (-1, 48002):
        tencent.engine.faults.inject({"api": ADD, "errcode": errcode, "count": 1})
        run_work()
        assert code(code_id).reserved_at is None and not ways(tencent)  # given back: nothing happened
        with transaction():
            session.execute(Delivery.__table__.update().values(due_at=clock.now()))
    later(run_work, minutes=3)
    assert len(ways(tencent)) == 1 and code(code_id).status == "live"


def test_a_way_deleted_at_wecom_is_seen_and_made_anew_when_asked(tencent, world, run_work) -> None:
    code_id = order(world)
    run_work()
    tencent.engine.world.ways.drop(ways(tencent)[0].config_id)
    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"name": "新名"})
    run_work()
    assert (code(code_id).status, code(code_id).error) == ("failed", "contact_way_unknown")
    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={})
    run_work()
    assert code(code_id).status == "live" and len(ways(tencent)) == 1


def test_changes_while_a_worker_speaks_arrive_in_their_order(tencent, world, run_work) -> None:
    code_id = order(world)
    run_work()
    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"users": ["guide1"]})
    with transaction():
        first = commands.begin(code_id)  # a slow worker, still speaking
    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"users": ["guide2"]})
    run_work()
    assert code(code_id).applied_version == 1  # nobody overtakes the slow one
    with transaction():
        commands.settle(first)
    later(run_work, minutes=2)
    assert ways(tencent)[0].user == ["guide2"] and code(code_id).applied_version == code(code_id).version == 3


def test_one_worker_at_a_time_speaks_about_a_code(app, world) -> None:
    code_id = order(world)

    def begin() -> object:
        with transaction():
            return commands.begin(code_id)

    answers = at_once(app, [begin] * 8)
    assert answers.count("busy") == 7 and sum(isinstance(one, commands.Begun) for one in answers) == 1


def test_without_the_claim_several_would_speak_at_once(app, world, monkeypatch) -> None:
    """The twin: what `busy_until` is for."""
    code_id = order(world)
    monkeypatch.setattr(commands, "BUSY", timedelta(seconds=-1))

    def begin() -> object:
        with transaction():
            return commands.begin(code_id)

    assert sum(isinstance(one, commands.Begun) for one in at_once(app, [begin] * 8)) == 8


def test_retired_while_it_is_made_it_is_deleted(tencent, world, run_work, monkeypatch) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    code_id = order(world)
    with monkeypatch.context() as patch:
        patch.setattr(outbox.subscriber("codes.tell"), "handler", replace(TELL, record=die))
        with pytest.raises(SystemExit):
            run_work()
    with transaction():
        commands.retire_code(brand_id=world.brand_id, code_id=code_id)
    assert len(ways(tencent)) == 1
    later(run_work, minutes=2)
    assert not ways(tencent) and code(code_id).applied_version == code(code_id).version


def test_a_code_retired_before_anybody_spoke_is_never_made(tencent, world, run_work) -> None:
    code_id = order(world)
    with transaction():
        commands.retire_code(brand_id=world.brand_id, code_id=code_id)
    run_work()
    assert not ways(tencent) and not dead()


def test_codes_end_by_themselves_and_forgotten_changes_are_brought(tencent, world, run_work) -> None:
    ending = order(world, valid_until=clock.now() + timedelta(days=1))
    run_work()
    assert len(ways(tencent)) == 1
    forgotten = order(world, state="shop-2")
    with transaction():
        outbox.fan_out(100)
        session.execute(Delivery.__table__.update().values(status="dead", last_error="x"))
    tend = slots.handler_for(slots.Slot(task="channels.codes"))
    with time_machine.travel(clock.now() + timedelta(days=2)):
        with transaction():
            tend(None)
        run_work()
    assert code(ending).status == "retired" and code(forgotten).status == "live"
    assert [way.state for way in ways(tencent)] == ["shop-2"]


def test_one_state_asked_for_by_many_at_once_is_one_code(app, world) -> None:
    answers = at_once(app, [lambda: order(world)] * 6)
    assert sorted(isinstance(answer, int) for answer in answers) == [False] * 5 + [True]
    assert {answer for answer in answers if isinstance(answer, str)} == {"channel_code_state_taken"}


@pytest.mark.parametrize(
    "changes",
    [
        {"users": []},
        {"users": [f"g{n}" for n in range(101)]},
        {"users": ["guide1", "guide1"]},
        {"state": "s" * 31},
        {"state": "a b"},
        {"state": "状态码"},
        {"state": "x\n"},
        {"name": ""},
        {"name": "名" * 61},
        {"tag_ids": [f"t{n}" for n in range(21)]},
        {"kind": "poster"},
        {"kind": "miniprogram", "page": "/pages/index", "users": []},
        {"kind": "miniprogram", "page": "pages/index?x=1", "users": []},
    ],
)
def test_what_wecom_could_not_take_is_refused_at_once(world, changes) -> None:
    if changes.get("users") == []:
        changes = changes | ({} if "kind" in changes else {"kind": "contact_way"})
    if changes == {"users": [], "kind": "contact_way"}:
        order(world, **changes)  # a way that exists already is noted, not made
        return
    with pytest.raises(CodeInvalid):
        order(world, **changes)
    assert session.scalar(select(func.count()).select_from(ChannelCode)) == 0


def test_a_state_is_one_codes(world) -> None:
    order(world)
    with pytest.raises(StateTaken):
        order(world)


def test_a_lost_link_is_found_by_its_name(tencent, world, run_work) -> None:
    tencent.engine.faults.inject(
        {"api": "externalcontact/customer_acquisition/create_link", "latency_ms": 60_000, "count": 1}
    )
    code_id = order(world, kind="link", users=["guide1"], state="ad-1")
    run_work()
    later(run_work, minutes=2)
    assert len(ways(tencent)) == 1 and code(code_id).config_id == ways(tencent)[0].config_id
