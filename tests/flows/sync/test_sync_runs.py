"""What a run does when it is killed, refused, slowed down or asked to believe too much."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from at_once import at_once
from sqlalchemy import event, select, text, update
from statements import statements
from tencent import Tencent
from wecom_day import Day, digest, ours, theirs

from app.channels.models import Follow
from app.core import clock, inbox, outbox, work
from app.core.db import db, session
from app.core.transaction import transaction
from app.flows.sync import runs
from app.flows.sync.errors import SyncNotWaiting, SyncRunning, SyncRunUnknown
from app.flows.sync.models import SyncDrift, SyncItem, SyncRun, SyncSeen
from app.flows.sync.steps import losses
from app.identity import commands as identity
from app.identity.rules import Identity
from workers.jobs.work import perform

CONTACT = "externalcontact/"


@pytest.fixture
def day(tencent: Tencent) -> Day:
    """A corp of which no callback ever arrived."""
    made = Day(tencent, seed=5)
    made.play(60, lost=1.0)
    return made


def start(tencent: Tencent, kind: str = "full") -> int:
    with transaction():
        return runs.start(brand_id=tencent.world.brand_id, kind=kind, by="test").run_id


def finished(tencent: Tencent, run_id: int) -> SyncRun:
    with transaction():
        return runs.run_of(tencent.world.brand_id, run_id)


def reconcile(tencent: Tencent, run_work: Any, kind: str = "full") -> SyncRun:
    run_id = start(tencent, kind)
    run_work()
    return finished(tencent, run_id)


def same(tencent: Tencent) -> bool:
    with transaction():
        return digest(ours(tencent)) == digest(theirs(tencent))


class Killed(BaseException):
    """What a SIGKILL looks like from inside: nothing after this line happens."""


@contextmanager
def killed_at(statement: int) -> Iterator[list[int]]:
    """The process dies before its n-th statement; the list then holds that number."""
    count, killed = itertools.count(1), []

    def die(*_: Any) -> None:
        if next(count) == statement:
            raise Killed

    event.listen(db.engine, "before_cursor_execute", die)
    try:
        yield killed
    except Killed:
        killed.append(statement)
        session.remove()
    finally:
        event.remove(db.engine, "before_cursor_execute", die)


def bulk() -> list[int]:
    """What a dead worker held comes back, and the relay's round."""
    with transaction():
        session.execute(
            update(outbox.Delivery)
            .where(outbox.Delivery.status.in_(("queued", "running")))
            .values(lease_until=clock.now() - timedelta(seconds=1))
        )
    with transaction():
        work.sweep(outbox.Delivery)
        outbox.fan_out(100)
    with transaction():
        return work.due(outbox.Delivery, "bulk", 10)


def test_a_first_reconciliation_finds_everything(tencent, day, run_work):
    run = reconcile(tencent, run_work)
    assert run.status == "done" and same(tencent)
    follows = len(tencent.engine.world.follows)
    assert run.counts["follows"] == {
        "seen": follows, "unchanged": 0, "changed": 0, "added": follows, "lost": 0, "refused": 0,
    }  # fmt: skip
    with transaction():
        done, known, skipped = runs.progress([run.run_id])[run.run_id]
        assert done == known > 10 and skipped == 0
        assert session.scalar(select(SyncSeen.key).limit(1)) is None


def test_a_second_one_writes_nothing_but_its_own_progress(tencent, day, run_work):
    reconcile(tencent, run_work)
    tables = ("follow", "follow_tag", "corp_tag", "corp_tag_group", "group_chat", "group_chat_member", "department",
              "staff", "identity", "person", "guide")  # fmt: skip

    def marks() -> dict[str, set[tuple[str, str]]]:
        with transaction():
            return {
                name: {tuple(row) for row in session.execute(text(f"SELECT ctid::text, xmin::text FROM {name}"))}
                for name in tables
            }

    before = marks()
    with statements() as seen:
        run = reconcile(tencent, run_work)
    assert marks() == before
    written = [one for one in seen if one.startswith(("INSERT", "UPDATE", "DELETE"))]
    own = ("sync_", "delivery", "outbox", "audit_log")
    assert [one for one in written if not one.split()[1 if one.startswith("UPDATE") else 2].startswith(own)] == []
    assert run.counts["follows"]["unchanged"] == run.counts["follows"]["seen"] > 0
    assert run.counts["groups"]["unchanged"] == run.counts["groups"]["seen"] > 0
    with transaction():
        assert session.scalars(select(SyncDrift).where(SyncDrift.run_id == run.run_id)).all() == []


@pytest.mark.parametrize("seed", [11, 12])
def test_kills_at_any_statement_lose_and_double_nothing(tencent, day, seed):
    chance = random.Random(seed)
    run_id = start(tencent)
    kills = 0
    while finished(tencent, run_id).status == "running":
        for row_id in bulk():
            # Some die early, some late: the longest turn has a thousand statements.
            with killed_at(chance.choice([chance.randrange(1, 30), chance.randrange(1, 2000)])) as killed:
                perform("delivery", [row_id])
            kills += len(killed)
    run = finished(tencent, run_id)
    assert run.status == "done" and same(tencent)
    assert run.counts["follows"]["seen"] == run.counts["follows"]["added"] == len(tencent.engine.world.follows)
    assert run.counts["groups"]["seen"] == len(tencent.engine.world.chats)
    assert kills > 5


def test_a_doubled_delivery_does_a_turn_once(tencent, day, run_work):
    run_id = start(tencent)
    with transaction():
        outbox.fan_out(10)
        first = session.scalars(select(outbox.Delivery.id).where(outbox.Delivery.subscriber == "sync.go_on")).one()
    run_work()
    counts, turn = finished(tencent, run_id).counts, finished(tencent, run_id).turn
    with transaction():
        session.execute(update(outbox.Delivery).where(outbox.Delivery.id == first).values(status="due"))
    run_work()
    again = finished(tencent, run_id)
    assert (again.counts, again.turn, again.status) == (counts, turn, "done")


def test_eight_starts_at_once_are_one_run(app, tencent, day):
    brand_id = tencent.world.brand_id

    def begin() -> int:
        with transaction():
            return runs.start(brand_id=brand_id, kind="full", by="test").run_id

    answers = at_once(app, [begin] * 8)
    assert sorted(str(one) == "sync_running" for one in answers) == [False] + [True] * 7
    with transaction():
        assert len(runs.runs(brand_id)) == 1
    with pytest.raises(SyncRunning), transaction():
        runs.start(brand_id=brand_id, kind="incremental", by="test")


def test_two_runs_of_one_corp_cannot_be_written_down(tencent, day):
    """The twin: what start() asks politely, the index forbids."""
    run_id = start(tencent)
    copy = text(
        "INSERT INTO sync_run SELECT run_id + 1, brand_id, corp_id, kind, status, step, turn, counts, confirmed, since,"
        " started_at, moved_at, finished_at, error, outbox_id, started_by, correlation_id FROM sync_run"
    )
    with pytest.raises(Exception, match="uq_sync_run_going"), transaction():
        session.execute(copy)
    with transaction():
        runs.cancel(brand_id=tencent.world.brand_id, run_id=run_id, by="test")
    with transaction():
        assert session.execute(copy).rowcount == 1


LISTS = ("department/list", "user/list", CONTACT + "get_corp_tag_list", CONTACT + "get_follow_user_list",
         CONTACT + "batch/get_by_user", CONTACT + "groupchat/list")  # fmt: skip


@pytest.mark.parametrize(
    ("api", "errcode"),
    [
        *((api, 40058) for api in LISTS),
        *((CONTACT + "batch/get_by_user", errcode) for errcode in (-1, 40014, 45009, 48002, 60011)),
    ],
)
def test_an_error_body_with_an_empty_list_loses_nobody(tencent, day, run_work, api, errcode):
    reconcile(tencent, run_work)
    with transaction():
        before = digest(ours(tencent))
    tencent.engine.faults.inject({"api": api, "errcode": errcode})
    run = reconcile(tencent, run_work)
    with transaction():
        assert digest(ours(tencent)) == before
    assert all(counted["lost"] == 0 for counted in run.counts.values())


def test_a_list_that_breaks_off_is_read_another_way(tencent, day, run_work):
    """The call with details refuses every guide: ids come from the other one, each customer by itself."""
    tencent.engine.faults.inject({"api": CONTACT + "batch/get_by_user", "errcode": 40058})
    run = reconcile(tencent, run_work)
    assert run.status == "done" and same(tencent)
    with transaction():
        read = select(SyncItem.subject).where(SyncItem.run_id == run.run_id, SyncItem.step == "contacts")
        assert len(session.scalars(read).all()) == len({f.external_userid for f in tencent.engine.world.follows})


def test_a_corp_too_large_for_one_list_of_groups(tencent, day, run_work):
    tencent.engine.world.set_value("chat_list_without_owners", 1)
    assert reconcile(tencent, run_work).status == "done" and same(tencent)


def test_a_department_too_large_for_one_answer(tencent, day, run_work):
    tencent.engine.faults.inject({"api": "user/list", "errcode": 45029, "count": 2})
    assert reconcile(tencent, run_work).status == "done" and same(tencent)


def test_a_quota_holds_the_run_until_its_window_ends(tencent, day, run_work):
    for _ in range(3):
        day.open_chat()
    tencent.engine.faults.set_quota(CONTACT + "groupchat/get", per_minute=2)
    with time_machine.travel(clock.now(), tick=False) as travel:
        run_id = start(tencent)
        run_work()
        held = finished(tencent, run_id)
        assert (held.status, held.step) == ("running", "chats") and 0 < held.counts["groups"]["seen"] <= 2
        with transaction():
            due = select(outbox.Delivery.due_at, outbox.Delivery.last_error).where(outbox.Delivery.status == "due")
            due_at, error = session.execute(due.where(outbox.Delivery.subscriber == "sync.go_on")).one()
            assert error == "wechat_throttled"
            assert timedelta(seconds=0) < due_at - clock.now() <= timedelta(seconds=121)
        tencent.engine.faults.reset()
        travel.shift(timedelta(seconds=121))
        run_work()
    assert finished(tencent, run_id).status == "done" and same(tencent)


def test_much_that_is_gone_waits_for_a_person(tencent, day, run_work, monkeypatch):
    monkeypatch.setattr(losses, "FEW", 3)
    reconcile(tencent, run_work)
    with transaction():
        before = digest(ours(tencent))
        session.execute(update(Follow).values(changed_at=clock.now() - timedelta(hours=1)))
        session.execute(update(Follow).values(told_at=Follow.changed_at))
    gone = list(tencent.engine.world.follows)[:8]
    for follow in gone:
        tencent.engine.world.drop_follow(follow)
    run = reconcile(tencent, run_work)
    assert (run.status, run.step) == ("waiting", "losses")
    brand_id = tencent.world.brand_id
    with transaction():
        assert len(ours(tencent)["follows"]) == len(tencent.engine.world.follows) + 8
        lost = [one for one in runs.drift(brand_id, run.run_id) if one.change == "lost"]
        assert {one.subject for one in lost} == {f"{f.userid}/{f.external_userid}" for f in gone}
        assert not any(one.repaired for one in lost) and before
    with transaction():
        runs.confirm(brand_id=brand_id, run_id=run.run_id, by="test")
    run_work()
    done = finished(tencent, run.run_id)
    assert done.status == "done" and done.counts["follows"]["lost"] == 8
    with transaction():
        assert len(ours(tencent)["follows"]) == len(tencent.engine.world.follows)
    with pytest.raises(SyncNotWaiting), transaction():
        runs.confirm(brand_id=brand_id, run_id=run.run_id, by="test")
    with pytest.raises(SyncRunUnknown), transaction():
        runs.confirm(brand_id=brand_id + 1, run_id=run.run_id, by="test")


@pytest.mark.parametrize(
    ("lost", "standing", "asks"),
    [(20, 100, False), (21, 420, False), (21, 419, True), (2, 2, False), (3, 6, False), (3, 5, True), (20, 20, True)],
)
def test_what_is_suspicious(lost, standing, asks):
    assert losses.suspicious(lost, standing) is asks


def test_whom_only_one_of_the_lists_shows_is_not_gone(tencent, day, run_work):
    """The list with details leaves somebody out; the list of ids names them: they are read, not lost."""
    reconcile(tencent, run_work)
    world = tencent.engine.world
    with transaction():
        session.execute(update(Follow).values(changed_at=clock.now() - timedelta(hours=1)))
        session.execute(update(Follow).values(told_at=Follow.changed_at))
    follow = next(iter(world.follows))
    listing = tencent.engine.contacts.of_staff
    asked: list[str] = []

    def of_staff(app: Any, userid: str) -> list[Any]:
        asked.append(userid)
        rows = listing(app, userid)
        # The first question of each guide is the list with details.
        return [row for row in rows if row is not follow] if asked.count(userid) == 1 else rows

    tencent.engine.contacts.of_staff = of_staff  # the simulated server errs, not ours
    run = reconcile(tencent, run_work)
    assert run.counts["follows"]["lost"] == 0
    with transaction():
        read = select(SyncItem.subject).where(SyncItem.run_id == run.run_id, SyncItem.step == "contacts")
        assert session.scalars(read).all() == [follow.external_userid]


def test_an_incremental_run_reads_what_had_news(tencent, day, run_work):
    reconcile(tencent, run_work)
    with time_machine.travel(clock.now() + timedelta(days=3)):
        tencent.engine.world.set_value("clock_offset", -600.0)
        tencent.add("new1", userid="guide1", state="code1")
        tencent.deliver()
        run_work()
        tencent.add("new2", userid="guide1", state="code2")
        tencent.add("new3", userid="guide2", state="code3")
        tencent.waiting = []
        tencent.engine.world.set_value("clock_offset", 0.0)
        run = reconcile(tencent, run_work, "incremental")
        assert run.status == "done" and run.counts["follows"]["added"] == 1
        with transaction():
            found = {key.split("/")[1] for key in ours(tencent)["follows"]}
        assert tencent.external("new2") in found and tencent.external("new3") not in found
        assert reconcile(tencent, run_work).counts["follows"]["added"] == 1 and same(tencent)


def test_a_run_whose_delivery_was_laid_aside_makes_room(tencent, day, run_work):
    run_id = start(tencent)
    with transaction():
        outbox.fan_out(10)
        session.execute(
            update(outbox.Delivery)
            .where(outbox.Delivery.subscriber == "sync.go_on")
            .values(status="dead", last_error="wechat_misconfigured")
        )
    with transaction():
        runs.frequently(None)  # type: ignore[arg-type]
    old = finished(tencent, run_id)
    assert (old.status, old.error) == ("failed", "wechat_misconfigured")
    run_work()
    with transaction():
        newest = runs.runs(tencent.world.brand_id)[0]
    assert (newest.kind, newest.status) == ("incremental", "done")


def test_the_nightly_run_takes_the_place_of_a_partial_one(tencent, day, run_work):
    partial = start(tencent, "incremental")
    with transaction():
        runs.nightly(None)  # type: ignore[arg-type]
    run_work()
    assert (finished(tencent, partial).status, finished(tencent, partial).error) == ("cancelled", "superseded")
    with transaction():
        newest = runs.runs(tencent.world.brand_id)[0]
    assert (newest.kind, newest.status) == ("full", "done") and same(tencent)


def test_losses_nobody_confirms_are_never_believed(tencent, day, run_work, monkeypatch):
    monkeypatch.setattr(losses, "FEW", 1)
    reconcile(tencent, run_work)
    with transaction():
        session.execute(update(Follow).values(changed_at=clock.now() - timedelta(hours=1)))
        session.execute(update(Follow).values(told_at=Follow.changed_at))
        before = len(ours(tencent)["follows"])
    for follow in list(tencent.engine.world.follows):
        tencent.engine.world.drop_follow(follow)
    waiting = reconcile(tencent, run_work)
    assert waiting.status == "waiting"
    with time_machine.travel(clock.now() + timedelta(hours=25)):
        with transaction():
            runs.frequently(None)  # type: ignore[arg-type]
        assert finished(tencent, waiting.run_id).error == "losses_not_confirmed"
    with transaction():
        assert len(ours(tencent)["follows"]) == before


def test_old_runs_are_forgotten(tencent, day, run_work):
    old = reconcile(tencent, run_work)
    with time_machine.travel(clock.now() + timedelta(days=31)), transaction():
        runs.nightly(None)  # type: ignore[arg-type]
    with transaction():
        assert session.scalar(select(SyncDrift.run_id).where(SyncDrift.run_id == old.run_id).limit(1)) is None
        assert session.scalar(select(SyncItem.run_id).where(SyncItem.run_id == old.run_id).limit(1)) is None
    with pytest.raises(SyncRunUnknown):
        finished(tencent, old.run_id)


def test_the_erased_are_not_brought_back(tencent, day, run_work):
    follow = next(iter(tencent.engine.world.follows))
    customer = tencent.engine.world.customers.rows[follow.customer]
    with transaction():
        identity.entomb(
            ids=[
                Identity("external_userid", tencent.corp_id, follow.external_userid),
                Identity("unionid", "open1", customer.unionid or ""),
            ]
        )
    run = reconcile(tencent, run_work)
    assert run.counts["follows"]["refused"] >= 1
    with transaction():
        assert not [key for key in ours(tencent)["follows"] if key.endswith(follow.external_userid)]


def test_news_that_comes_while_a_list_is_read_is_not_overwritten(tencent, day, run_work):
    """The list still shows somebody; the guide deletes them, and the callback is here before the list is applied."""
    reconcile(tencent, run_work)
    follow = next(f for f in tencent.engine.world.follows if f.userid == "guide1")
    customer = tencent.engine.world.customers.rows[follow.customer]
    listing = tencent.engine.contacts.of_staff
    answered: list[str] = []

    def of_staff(app: Any, userid: str) -> list[Any]:
        rows = listing(app, userid)
        answered.append(userid)
        if answered.count("guide1") == 1 and userid == "guide1":
            follow.remark = "新备注"  # so that the list has something to apply
            tencent.engine.world.advance(1)
            tencent.delete(customer.id)
            assert tencent.deliver() == [200]
            with transaction():
                due = work.due(inbox.Inbox, "default", 10)
            perform("inbox", due)
        return rows

    tencent.engine.contacts.of_staff = of_staff
    assert reconcile(tencent, run_work).status == "done"
    with transaction():
        row = session.get(Follow, (tencent.corp_id, "guide1", follow.external_userid), populate_existing=True)
        assert row is not None and row.status == "deleted" and row.remark != "新备注"
