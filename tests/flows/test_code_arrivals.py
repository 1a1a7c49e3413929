"""Who comes by a channel code: arrivals, touches, and what merges, splits and erasures leave of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from code_show import all_arrivals, code, come, dead, order, scan, ways
from invariants import broken
from sqlalchemy import func, select

from app.channels import events as channels
from app.channels.codes import commands, queries
from app.content import commands as content
from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.flows import arrivals
from app.flows.split import split
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.models import PersonMerge
from app.identity.rules import Identity
from app.members.models import Member


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.", "members.", "channels.") == []


def test_a_scan_is_an_arrival_with_store_guide_tags_and_the_codes_welcome(tencent, world, run_work) -> None:
    app = next(iter(tencent.engine.world.apps))
    group = tencent.engine.tags.add(app, {"group_name": "渠道", "tag": [{"name": "开业"}]})
    tag_id = group["tag"][0]["id"]
    with transaction():
        material = content.save_material(
            brand_id=world.brand_id, code="hello", kind="text", title="欢迎", body="{store}开业啦"
        )
    code_id = order(world, tag_ids=[tag_id], welcome_material_id=material, users=["guide1"])
    run_work()
    scan(tencent, "anna")
    tencent.deliver(times=2)
    run_work()
    (arrival,) = all_arrivals()
    person = identity_queries.person_of(Identity("external_userid", tencent.corp_id, tencent.external("anna")))
    assert (arrival.code_id, arrival.kind, arrival.person_id) == (code_id, "added", person)
    assert (arrival.store_id, arrival.guide_id, arrival.lost_at) == (world.store.id, world.guide.id, None)
    follow = tencent.engine.world.follows_by_staff[f"{tencent.corp_id}|guide1"][tencent.external("anna")]
    assert follow.tags == [tag_id]
    (welcome,) = tencent.sent("welcome")
    assert welcome.content["text"] == "一号店开业啦" and not dead()


def test_losing_and_coming_back_are_counted_as_they_happened(tencent, world, run_work) -> None:
    order(world, users=["guide1"])
    run_work()
    come(tencent, run_work, "anna")
    tencent.engine.world.advance(10)
    tencent.unfollow("anna")
    tencent.deliver()
    run_work()
    (arrival,) = all_arrivals()
    assert arrival.lost_at is not None
    tencent.engine.world.advance(10)
    come(tencent, run_work, "anna")
    first, second = all_arrivals()
    assert first.lost_at is not None and second.lost_at is None


def test_a_half_added_customer_counts_once(tencent, world, run_work) -> None:
    order(world, users=["guide1"])
    run_work()
    scan(tencent, "anna")
    tencent.waiting = [
        (corp, {**fields, "ChangeType": "add_half_external_contact"}) for corp, fields in tencent.waiting
    ]
    tencent.deliver()
    run_work()
    tencent.engine.world.advance(30)
    come(tencent, run_work, "anna")
    assert len(all_arrivals()) == 1


def test_an_end_heard_of_first_ends_the_arrival(tencent, world, run_work) -> None:
    order(world, users=["guide1"])
    run_work()
    scan(tencent, "anna")
    added, tencent.waiting = tencent.waiting, []
    tencent.engine.world.advance(5)
    tencent.unfollow("anna")
    tencent.deliver()
    run_work()
    tencent.waiting = added
    tencent.deliver()
    run_work()
    assert [one for one in all_arrivals() if one.lost_at is None] == []


def test_a_foreign_or_unknown_state_brings_nobody(tencent, world, run_work) -> None:
    with transaction():
        commands.create_code(brand_id=world.brand_id + 1, name="别家", state="foreign")
    tencent.add("anna", state="foreign")
    tencent.add("ben", state="nobody-knows")
    tencent.add("cleo")
    tencent.deliver()
    run_work()
    assert all_arrivals() == [] and not dead()


def test_first_and_last_touch_follow_a_merge(tencent, world, run_work) -> None:
    order(world, users=["guide1"])
    second = order(world, state="shop-2", users=["guide2"])
    run_work()
    come(tencent, run_work, "anna")
    tencent.engine.world.advance(60)
    with transaction():
        other = identity.link(ids=[Identity("openid", "wx", "o-anna")], source="test").person_id
        found = queries.by_state("shop-2")
        arrivals.arrivals.arrive(code=found, person_id=other, at=clock.now() + timedelta(minutes=5))
        ids = [
            Identity("openid", "wx", "o-anna"),
            Identity("external_userid", tencent.corp_id, tencent.external("anna")),
        ]
        identity.link(ids=ids, source="test")
    touches = queries.arrivals(other, brand_id=world.brand_id)
    assert [(one.code_id == second, one.kind, one.first, one.last) for one in touches] == [
        (True, "opened", False, True),
        (False, "added", True, False),
    ]
    assert queries.arrivals(other, brand_id=world.brand_id + 1) == []


def test_what_was_noted_while_two_were_one_goes_home_at_a_split(tencent, world, run_work) -> None:
    order(world, users=["guide1"])
    run_work()
    for name in ("anna", "ben"):
        tencent.customer(name, unionid=None)
        tencent.add(name)  # known before, by no code
    tencent.deliver()
    run_work()
    anna, ben = (Identity("external_userid", tencent.corp_id, tencent.external(name)) for name in ("anna", "ben"))
    mine, other = identity_queries.person_of(anna), identity_queries.person_of(ben)
    with transaction():
        identity.merge(person_id=mine, other_id=other, source="test")
        merge = session.scalars(select(PersonMerge.merge_id)).one()
    tencent.engine.world.advance(60)
    tencent.unfollow("ben")
    tencent.engine.world.advance(60)
    scan(tencent, "ben")
    tencent.deliver()
    run_work()
    assert len(queries.arrivals(mine, brand_id=world.brand_id)) == 1  # though the end was handled after the beginning
    with transaction():
        split(merge_id=merge, by="test", reason="two humans")
    assert len(queries.arrivals(other, brand_id=world.brand_id)) == 1
    assert queries.arrivals(mine, brand_id=world.brand_id) == []


def test_somebody_forgotten_meanwhile_leaves_no_trace(tencent, world, run_work) -> None:
    order(world, users=["guide1"])
    run_work()
    scan(tencent, "anna")
    event = channels.CustomerAdded(
        brand_id=world.brand_id,
        person_id=1,
        corp_id=tencent.corp_id,
        userid="guide1",
        external_userid=tencent.external("anna"),
        at=int(clock.now().timestamp()),
        state="shop-1",
    )
    with transaction():
        arrivals.on_added(event)
    assert all_arrivals() == []


def test_an_acquisition_link_is_made_and_its_channel_counts(tencent, world, run_work) -> None:
    code_id = order(world, kind="link", users=["guide1"], state="ad-1")
    run_work()
    (link,) = ways(tencent)
    made = code(code_id)
    assert (made.config_id, made.status) == (link.config_id, "live")
    assert made.qr_code == f"http://simulator.invalid/scan/{link.config_id}?customer_channel=ad-1"
    tencent.add("anna", state="ad-1", add_way=16)
    tencent.deliver()
    run_work()
    assert [one.code_id for one in all_arrivals()] == [code_id]
    with transaction():
        commands.change_code(brand_id=world.brand_id, code_id=code_id, changes={"users": ["guide2"]})
    run_work()
    assert link.user == ["guide2"]
    with transaction():
        commands.retire_code(brand_id=world.brand_id, code_id=code_id)
    run_work()
    assert not ways(tencent) and not dead()


def test_a_mini_programs_code_leads_a_new_member_to_its_store_and_guide(tencent, world, run_work) -> None:
    order(world, kind="miniprogram", users=[], state="mp-1", guide_id=world.guides[1].id)
    with transaction():
        person = identity.link(ids=[Identity("openid", tencent.appid, "o-new")], source="test").person_id
        arrivals.opened(brand_id=world.brand_id, person_id=person, scene="mp-1")
        arrivals.opened(brand_id=world.brand_id, person_id=person, scene="mp-1")  # the same visit
        for wrong in ("nobody-knows", None, "", "x" * 5000, "mp-1' OR 1=1"):
            arrivals.opened(brand_id=world.brand_id, person_id=person, scene=wrong)
    (arrival,) = all_arrivals()
    assert (arrival.kind, arrival.store_id, arrival.external_userid) == ("opened", world.store.id, None)
    assert session.scalar(select(func.count()).select_from(Member)) == 0
