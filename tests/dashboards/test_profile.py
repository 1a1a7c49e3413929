"""All about one member: what is shown, in how many statements, and a timeline whose pages follow each other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from console_world import Busy, make_busy
from factories import make_world
from people import make_member
from statements import statements
from tagging import tagged, untagged

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.dashboards.queries import members as gate
from app.dashboards.queries import profile, timeline
from app.dashboards.reach import Reach
from app.flows import export_person, people
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.privacy import commands as privacy
from app.sales.models import SalesOrder
from app.segments import commands as segments


@pytest.fixture
def busy(app) -> Busy:
    return make_busy()


def _shown(busy: Busy, member_id: int) -> profile.Profile:
    member = gate.visible(Reach(busy.world.brand_id), member_id)
    assert member is not None
    return profile.of(member)


def test_a_page_about_a_member_takes_six_statements(busy) -> None:
    brand = busy.world.brand_id
    with transaction():
        for number in range(12):
            tagged(brand, busy.member, f"标签{number}")
    with transaction():
        session.expunge_all()
        with statements() as sent:
            member = gate.visible(Reach(brand), busy.member)
            found, moments = profile.of(member), timeline.of(member, limit=51)
    assert 4 < len(sent) - 1 <= 6, sent  # and the transaction's time limit
    assert len(found.tags) == 12 and len(moments) > 20


def test_all_sides_are_shown(busy) -> None:
    brand, world = busy.world.brand_id, busy.world
    with transaction():
        tagged(brand, busy.member, "羊绒", "到店")
        untagged(brand, busy.member, "到店")
        members.move_home_store(
            brand_id=brand, member_id=busy.member, store_id=world.stores[1].id, reason="搬家", moved_by="adm_1"
        )
        segments.refresh_traits(brand_id=brand, member_ids=[busy.member], as_of=clock.now())
    with transaction():
        found = _shown(busy, busy.member)
        moments = timeline.of(gate.visible(Reach(brand), busy.member), limit=100)
    assert (found.name, found.phone, found.store_name, found.guide_name) == (
        "王**", "139****4321", "二号店", world.guide.name,
    )  # fmt: skip
    assert (found.tier.name, found.tier.next_name, found.points, found.growth) == ("银卡", None, 280, 280)
    assert found.coupons == {"usable": 0, "redeemed": 1, "expired": 0}
    assert (found.orders, found.paid_fen) == (1, 28_000)
    assert (found.traits.orders_count, found.traits.lifecycle, found.traits.last_store) == (1, "first", "一号店")
    assert found.kinds == ("external_userid", "mobile")
    assert {one.value for one in found.identities if one.kind == "mobile"} == {"139****4321"}
    assert [tag.name for tag in found.tags] == ["羊绒"]
    homes = [(one.name, one.reason) for one in found.history if one.kind == "home_store"]
    assert homes[0] == ("二号店", "搬家") and homes[-1][0] == "一号店"
    assert {one.kind for one in found.history} >= {"guide", "home_store", "follow"}
    assert found.consents["marketing"]["any"] is True and found.consents["group_sharing"]["any"] is False
    told = {(one.kind, one.data.get("tag"), one.data.get("held")) for one in moments if one.kind == "tagged"}
    assert told == {("tagged", "羊绒", True), ("tagged", "到店", False)}
    assert [one.data["reason"] for one in moments if one.kind == "home_moved"] == ["搬家"]


def test_what_another_brand_knows_of_the_person_is_not_shown(busy) -> None:
    brand, other = busy.world.brand_id, make_world()
    theirs = [
        Identity("openid", other.miniprogram.namespace, "openid-there"),
        Identity("card", ids.encode("brd", other.brand_id), "CARD-THERE"),
        Identity("mall", f"{ids.encode('brd', other.brand_id)}:mall", "account-there"),
    ]
    mine = [Identity("unionid", "open1", "u-y"), Identity("mall", f"{ids.encode('brd', brand)}:mall", "account-here")]
    with transaction():
        known = Identity("external_userid", busy.world.wecom.namespace, "wm_customer_1")
        identity.link(ids=[known, *theirs, *mine], source="test")
    with transaction():
        found = _shown(busy, busy.member)
        copied = export_person.gather(gate.visible(Reach(brand), busy.member))["identities"]
    kinds = ["external_userid", "mall", "mobile", "unionid"]
    assert sorted(one.kind for one in found.identities) == kinds
    assert sorted(one["kind"] for one in copied) == kinds
    assert "there" not in str(copied).lower()


def test_consents_are_what_privacy_says(busy) -> None:
    brand = busy.world.brand_id
    with transaction():
        other = identity.link(ids=[Identity("unionid", "open1", "u-x")], source="test").person_id
        privacy.record(
            brand_id=brand, person_id=other, purpose="marketing", channel="sms", granted=False, source="miniapp",
            evidence={},
        )  # fmt: skip
        people.link(
            brand_id=brand,
            ids=[
                Identity("external_userid", busy.world.wecom.namespace, "wm_customer_1"),
                Identity("unionid", "open1", "u-x"),
            ],
            source="test",
        )
    with transaction():
        found = _shown(busy, busy.member)
    assert found.consents["marketing"]["sms"] is False and found.consents["marketing"]["mail"] is True
    assert "marketing" in found.said


def test_pages_of_the_timeline_follow_each_other(busy) -> None:
    brand, world = busy.world.brand_id, busy.world
    moment = clock.now() - timedelta(days=3)
    with transaction():
        member = make_member(world, store=world.store, joined_at=moment)
        for _ in range(9):  # all of one instant: the number of the row decides
            order_id = ids.new_id()
            session.add(
                SalesOrder(
                    brand_id=brand, member_id=member, order_id=order_id, source="till", order_no=str(order_id),
                    store_id=world.store.id, channel="till", walk_in=False, total_fen=1, discount_fen=0, paid_fen=1,
                    status="paid", paid_at=moment, correlation_id="cor_test", created_at=moment,
                )
            )  # fmt: skip
    with transaction():
        row = gate.visible(Reach(brand), member)
        whole = timeline.of(row, limit=100)
        paged, after = [], None
        while page := timeline.of(row, after=after, limit=4):
            paged += page
            after = page[-1].place
    assert paged == whole and len({one.place for one in whole}) == len(whole) == 10
