"""Tags both ways: guides' tags in WeCom are the member's, the member's tags are set in WeCom, nothing echoes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Lock

import pytest
import time_machine
from people import make_follow, make_member
from sqlalchemy import select
from tagging import tagged, untagged

from app.channels import commands as channels
from app.channels import tags as wecom_state
from app.channels.models import Outbound
from app.channels.tags import LibraryGroup, LibraryTag
from app.core import clock
from app.core.db import session
from app.core.outbox import Delivery, Outbox
from app.core.transaction import transaction
from app.flows import people, wecom_tags
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import queries as members
from app.segments import commands, queries
from app.segments.models import MemberTag, Tag


class Beside:
    """A member whom two guides follow in the simulator and here, and a library of three tags."""

    def __init__(self, tencent, world) -> None:
        self.tencent, self.world = tencent, world
        tencent.add("anna")
        tencent.add("anna", userid="guide2")
        tencent.waiting.clear()
        engine = tencent.engine
        app = next(app for app in engine.world.apps if app.corp_id == tencent.corp_id)
        made = engine.contacts.tags.add(
            app, {"group_name": "偏好", "tag": [{"name": n} for n in ("针织", "羊绒", "亲子")]}
        )
        self.ids = {tag["name"]: tag["id"] for tag in made["tag"]}
        self.external = tencent.external("anna")
        with transaction():
            self.member = make_member(world)
            person = members.member(world.brand_id, self.member).person_id
            for guide in world.guides[:2]:
                make_follow(world, guide, external_userid=self.external, person_id=person)
            group = LibraryGroup("g1", "偏好", 0, tuple(LibraryTag(i, name) for name, i in self.ids.items()))
            wecom_state.put_library(brand_id=world.brand_id, corp_id=tencent.corp_id, groups=[group], at=clock.now())

    def guide_sets(self, userid: str, *names: str) -> None:
        """The guide edits the customer's tags in WeCom, and we read it."""
        self.tencent.engine.contacts.edit(
            self.tencent.corp_id, userid, self.tencent.customer("anna"), tags=[self.ids[name] for name in names]
        )
        self.tencent.waiting.clear()
        with transaction():
            wecom_state.put_follow_tags(
                corp_id=self.tencent.corp_id,
                userid=userid,
                external_userid=self.external,
                tag_ids=[self.ids[name] for name in names],
                at=clock.now(),
            )

    def in_wecom(self, userid: str) -> list[str]:
        names = {tag_id: name for name, tag_id in self.ids.items()}
        row = self.tencent.engine.world.follows_by_staff[f"{self.tencent.corp_id}|{userid}"][self.external]
        return sorted(names[tag] for tag in row.tags)

    def held(self) -> list[str]:
        with transaction():
            return sorted(tag.name for tag in queries.tags_of(self.world.brand_id, self.member))

    def tag(self, name: str) -> int:
        return queries.by_corp_tag(self.world.brand_id, [self.ids[name]])[self.ids[name]]


@pytest.fixture
def beside(tencent, world, run_work) -> Beside:
    made = Beside(tencent, world)
    run_work()
    return made


def _marks() -> int:
    return session.query(Outbox).filter_by(name="segments.tag_write_due").count()


def test_what_a_guide_sets_is_the_members_and_the_other_guides(beside, world, run_work) -> None:
    beside.guide_sets("guide1", "针织")
    run_work()
    assert beside.held() == ["针织"]
    (row,) = session.scalars(select(MemberTag))
    assert (row.source, row.said_by) == ("wecom", "guide1")
    assert session.scalars(select(Tag.kind)).one() == "wecom"
    assert beside.in_wecom("guide2") == ["针织"]
    assert session.query(Outbound).count() == 0 and _dead() == []
    # Taken away by the one guide it stands with the other, and so with the member; by both it is gone.
    beside.guide_sets("guide1")
    run_work()
    assert beside.held() == ["针织"]
    beside.guide_sets("guide2")
    run_work()
    assert beside.held() == [] and beside.in_wecom("guide1") == []


def _dead() -> list[str]:
    return list(session.scalars(select(Delivery.last_error).where(Delivery.status != "done")))


def test_what_we_set_is_written_and_its_echo_is_no_change(beside, world, run_work) -> None:
    with transaction():
        tag = commands.define_tag(brand_id=world.brand_id, name="羊绒客", corp_tag_id=beside.ids["羊绒"])
        tagged(world.brand_id, beside.member, "羊绒客", "只在我们这里")
    run_work()
    assert beside.in_wecom("guide1") == beside.in_wecom("guide2") == ["羊绒"]
    before = _marks()
    beside.guide_sets("guide1", "羊绒")  # the callback of our own writing: what was read is what stands
    run_work()
    row = session.get_one(MemberTag, (world.brand_id, beside.member, tag))
    assert row.source == "manual" and _marks() == before and _dead() == []
    with transaction():
        untagged(world.brand_id, beside.member, "羊绒客")
    run_work()
    assert beside.in_wecom("guide1") == beside.in_wecom("guide2") == []


def test_the_echo_that_comes_before_we_noted_our_writing(beside, world, run_work) -> None:
    with transaction():
        tag = commands.define_tag(brand_id=world.brand_id, name="羊绒客", corp_tag_id=beside.ids["羊绒"])
        tagged(world.brand_id, beside.member, "羊绒客")
    beside.guide_sets("guide1", "羊绒")
    run_work()
    row = session.get_one(MemberTag, (world.brand_id, beside.member, tag))
    assert row.source == "manual" and beside.held() == ["羊绒客"] and beside.in_wecom("guide2") == ["羊绒"]


def test_a_deleted_relation_is_no_word_on_the_member(beside, world, run_work) -> None:
    beside.guide_sets("guide1", "针织")
    run_work()
    with transaction():
        lost = channels.mark_lost(
            corp_id=beside.tencent.corp_id, userid="guide1", external_userid=beside.external, at=clock.now(),
            deleted=True,
        )  # fmt: skip
        wecom_state.clear_follow_tags(lost)
    run_work()
    assert beside.held() == ["针织"]


def test_a_tag_that_left_the_library(beside, world, run_work) -> None:
    with transaction():
        commands.define_tag(brand_id=world.brand_id, name="羊绒客", corp_tag_id=beside.ids["羊绒"])
        tagged(world.brand_id, beside.member, "羊绒客")
    beside.guide_sets("guide1", "针织", "羊绒")
    run_work()
    with transaction():
        for name in ("针织", "羊绒"):
            wecom_state.drop_tag(
                brand_id=world.brand_id, corp_id=beside.tencent.corp_id, tag_id=beside.ids[name], at=clock.now()
            )
    run_work()
    assert beside.held() == ["羊绒客"]  # ours goes on by itself, the one of WeCom is retired
    assert _dead() == []


def test_notes_of_a_customer_who_becomes_a_member(beside, tencent, world, run_work) -> None:
    with transaction():
        person = identity.link(ids=[Identity("external_userid", tencent.corp_id, "wm-new")], source="test").person_id
        make_follow(world, world.guide, external_userid="wm-new", person_id=person)
        wecom_state.put_follow_tags(
            corp_id=tencent.corp_id, userid="guide1", external_userid="wm-new",
            tag_ids=[beside.ids["亲子"], "not-in-the-library"], at=clock.now(),
        )  # fmt: skip
    run_work()
    with transaction():
        late = make_member(world, phone="13800001111")
        phone = Identity("mobile", "", "13800001111")
        unionid = Identity("unionid", "open1", "u-late")
        people.link(brand_id=world.brand_id, ids=[phone, unionid], source="test")
        here = Identity("external_userid", tencent.corp_id, "wm-new")
        people.link(brand_id=world.brand_id, ids=[here, unionid], source="test")
    run_work()
    with transaction():
        assert [tag.name for tag in queries.tags_of(world.brand_id, late)] == ["亲子"]


def test_one_pair_is_written_by_one_worker_at_a_time(app, beside, world, run_work) -> None:
    with transaction():
        for name in ("针织", "羊绒", "亲子"):
            commands.define_tag(brand_id=world.brand_id, name=name, corp_tag_id=beside.ids[name])
    inside, most, lock, release = 0, 0, Lock(), Event()
    real = wecom_tags._call

    def slow(request: wecom_tags.Request) -> None:
        nonlocal inside, most
        with lock:
            inside += request.userid == "guide1"
            most = max(most, inside)
        release.wait(0.3)
        real(request)
        with lock:
            inside -= request.userid == "guide1"

    effect = wecom_tags.WRITE
    object.__setattr__(effect, "call", slow)  # frozen: the wiring holds this very object
    try:
        for name in ("针织", "羊绒", "亲子"):
            with transaction():
                tagged(world.brand_id, beside.member, name)

        def work(_: int) -> None:
            with app.app_context():
                run_work()
                session.remove()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
        with time_machine.travel(clock.now() + timedelta(minutes=10), tick=False):
            run_work()
    finally:
        object.__setattr__(effect, "call", real)
    assert most == 1
    assert beside.in_wecom("guide1") == beside.in_wecom("guide2") == sorted(("针织", "羊绒", "亲子"))


def test_a_worker_that_died_after_claiming_holds_nobody_up_for_long(beside, world, run_work) -> None:
    with transaction():
        commands.define_tag(brand_id=world.brand_id, name="针织", corp_tag_id=beside.ids["针织"])
        for userid in ("guide1", "guide2"):
            channels.reserve_outbound(
                wecom_tags.KIND, f"{beside.tencent.corp_id}/{userid}/{beside.external}", world.brand_id
            )
        tagged(world.brand_id, beside.member, "针织")
    run_work()
    assert beside.in_wecom("guide1") == [] and "busy" in _dead()
    with time_machine.travel(clock.now() + timedelta(minutes=3), tick=False):
        run_work()
    assert beside.in_wecom("guide1") == beside.in_wecom("guide2") == ["针织"]
    assert session.query(Outbound).count() == 0
