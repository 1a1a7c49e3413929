"""Being forgotten: nothing that names anybody is left anywhere, the books stay whole, and nobody is brought back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from at_once import at_once
from console_world import PHONE, Busy, make_busy
from factories import make_world
from invariants import broken
from privacy_shop import publish
from sqlalchemy import func, select, text

from app.channels import commands as channels
from app.core import clock, crypto, hot, ids
from app.core.db import session
from app.core.inbox import Inbox, receive
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Coupon
from app.flows import erase
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.errors import IdentityErased, PersonErased
from app.identity.models import ErasedIdentity, IdentityRow
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member
from app.points import queries as points
from app.privacy import commands as privacy
from app.privacy import queries
from app.privacy.models import Consent, Erasure
from app.sales.models import SalesOrder
from app.segments import commands as segments
from app.sop.models import GuideTask

CONTACT = "wm_customer_1"
NAMES = (
    "王小明",
    "微信昵称小明",
    "备注小明",
    "openid-of-ming",
    "unionid-of-ming",
    "CARD-7788",
    CONTACT,
    PHONE,
    "WELCOMECODE",
)


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken() == []


@pytest.fixture
def busy(app) -> Busy:  # type: ignore[no-untyped-def]
    """A member known by everything there is, with consents, remarks, notes and messages that name them."""
    busy = make_busy()
    world = busy.world
    publish(world.brand_id)
    receive(
        source=f"wecom:{world.wecom.namespace}",
        key="add",
        kind="wecom.test_event",
        payload={"ExternalUserID": CONTACT, "UserID": "guide1", "WelcomeCode": "WELCOMECODE"},
    )
    receive(
        source=f"wecom:{world.wecom.namespace}",
        key="group",
        kind="wecom.test_event",
        payload={"ChatId": "chat1", "MemChangeList": ["wm_somebody_else", CONTACT]},
    )
    with transaction():
        identity.link(
            ids=[
                Identity("external_userid", world.wecom.namespace, CONTACT),
                Identity("openid", world.miniprogram.namespace, "openid-of-ming"),
                Identity("unionid", "open1", "unionid-of-ming"),
            ],
            source="test",
            evidence={"said": CONTACT},
        )
        identity.link(
            ids=[Identity("card", ids.encode("brd", world.brand_id), "CARD-7788"), mobile(PHONE)], source="till"
        )
        members.join(
            brand_id=world.brand_id,
            person_id=busy.person,
            source="till",
            card_no="CARD-7788",
            birthday=date(1990, 5, 1),
            gender=1,
        )
        _describe(busy)
        tag = segments.define_tag(brand_id=world.brand_id, name="爱跑步")
        segments.put(brand_id=world.brand_id, member_id=busy.member, tag_ids=[tag], source="manual", said_by="adm_1")
        privacy.record(
            brand_id=world.brand_id,
            person_id=busy.person,
            purpose="marketing",
            granted=False,
            channel="sms",
            source="till",
            evidence={"paper_no": "P-1"},
        )
        member = member_queries.member(world.brand_id, busy.member)
        assert member is not None
        privacy.reveal(member=member, field="phone", reason="客户王小明来电", actor="adm_1", role="hq")
        privacy.ask_export(brand_id=world.brand_id, member_id=busy.member, actor="adm_1")
    return busy


def _describe(busy: Busy) -> None:
    corp = busy.world.wecom.namespace
    channels.describe_contact(corp_id=corp, external_userid=CONTACT, name="微信昵称小明", avatar=None, type=1, gender=1)
    channels.describe_follow(corp_id=corp, userid=busy.world.guide.userid, external_userid=CONTACT, remark="备注小明")


def _everything() -> Iterator[tuple[str, str]]:
    """Every row of every table as text."""
    with psycopg.connect(hot._conninfo) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f'SELECT to_jsonb(one)::text FROM "{table}" AS one').fetchall():
                yield table, row


def _leaks() -> set[tuple[str, str]]:
    return {(table, name) for table, row in _everything() for name in NAMES if name in row}


def _erase(busy: Busy, **who: int) -> erase.Outcome:
    with transaction():
        return erase.erase(
            brand_id=busy.world.brand_id, actor="adm_1", reason="本人要求", **(who or {"member_id": busy.member})
        )


def test_nothing_that_names_them_is_left_in_any_table(busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    assert {table for table, _ in _leaks()} >= {"identity", "follow", "inbox", "outbox", "guide_task", "member"}
    outcome = _erase(busy)
    assert outcome.whole and outcome.member_ids == (busy.member,)
    run_work()
    assert _leaks() == set()
    member = session.get_one(Member, (busy.world.brand_id, busy.member), populate_existing=True)
    assert (member.status, member.name, member.phone_tail, member.birthday, member.card_no, member.gender) == (
        "erased", None, None, None, None, 0,
    )  # fmt: skip
    sealed = {
        "identity": "sealed_value", "follow": "contact", "data_export": "content", "erasure": "sealed",
        "identity_release": "sealed_value",
    }  # fmt: skip
    for table, column in sealed.items():
        left = session.scalar(text(f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL"))
        assert left == (0 if table != "identity" else 1), table  # the other member's phone
    group = session.scalars(select(Inbox).where(Inbox.key == "group")).one()
    assert group.payload == {"ChatId": "chat1", "MemChangeList": ["wm_somebody_else", "erased"]}


def test_the_books_stay_whole(busy: Busy) -> None:
    brand = busy.world.brand_id
    before = session.scalar(select(func.sum(SalesOrder.paid_fen)))
    assert points.balances(brand, busy.member)["points"] > 0
    _erase(busy)
    assert session.scalar(select(func.sum(SalesOrder.paid_fen))) == before
    assert session.scalar(select(func.count()).where(SalesOrder.member_id == busy.member)) == 1
    assert points.balances(brand, busy.member)["points"] == 0
    assert set(session.scalars(select(Coupon.status))) <= {"redeemed", "voided"}
    assert set(session.scalars(select(GuideTask.status))) <= {"done", "cancelled"}
    assert session.scalars(select(GuideTask.evidence).where(GuideTask.status == "done")).all() == [{"kind": "erased"}]


def test_that_they_once_agreed_stays_as_proof_and_says_nobodys_name(busy: Busy) -> None:
    _erase(busy)
    kept = session.scalars(select(Consent)).one()
    assert (kept.person_id, kept.evidence, kept.granted) == (busy.person, {"paper_no": "P-1"}, False)
    assert queries.opt_outs(busy.world.brand_id, busy.member) == []
    done = session.scalars(select(Erasure)).one()
    assert (done.status, done.whole, done.member_id) == ("done", True, busy.member)
    assert done.removed["ids"] == 5  # type: ignore[index]


def test_passive_sources_bring_nobody_back(busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    corp = busy.world.wecom.namespace
    _erase(busy)
    run_work()
    for told in (
        [Identity("external_userid", corp, CONTACT)],
        [Identity("external_userid", corp, CONTACT), Identity("unionid", "open1", "unionid-of-ming")],
        [Identity("card", ids.encode("brd", busy.world.brand_id), "CARD-7788"), mobile(PHONE)],
    ):
        with pytest.raises(IdentityErased), transaction():
            identity.link(ids=told, source="late", passive=True)
    assert session.scalar(select(func.count()).select_from(ErasedIdentity)) == 5
    assert session.scalar(select(func.count()).select_from(IdentityRow)) == 1


def test_they_come_back_by_themselves_as_somebody_new(busy: Busy) -> None:
    brand, appid = busy.world.brand_id, busy.world.miniprogram.namespace
    _erase(busy)
    with transaction():
        back = identity.link(
            ids=[Identity("openid", appid, "openid-of-ming"), Identity("unionid", "open1", "unionid-of-ming")],
            source="miniapp.login",
        )
        identity.link(ids=[Identity("openid", appid, "openid-of-ming"), mobile(PHONE)], source="miniapp.phone")
        again = members.join(brand_id=brand, person_id=back.person_id, source="miniapp", phone_tail=PHONE[-4:])
    assert back.person_id != busy.person and again != busy.member
    assert points.balances(brand, again)["points"] == 0
    assert identity_queries.phone_of(back.person_id) == PHONE


def test_who_is_gone_cannot_be_written_to(busy: Busy) -> None:
    _erase(busy)
    with pytest.raises(PersonErased), transaction():
        members.join(brand_id=busy.world.brand_id, person_id=busy.person, source="miniapp")
    with pytest.raises(PersonErased), transaction():
        erase.erase(brand_id=busy.world.brand_id, person_id=busy.person, actor="adm_1", reason="再来")
    assert member_queries.standing(busy.world.brand_id, busy.person, "token") is None


def test_another_brand_keeps_its_member(busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    second = make_world()
    with transaction():
        identity.link(
            ids=[
                Identity("unionid", "open1", "unionid-of-ming"),
                Identity("openid", second.miniprogram.namespace, "openid-in-second"),
            ],
            source="miniapp.login",
        )
        theirs = members.join(brand_id=second.brand_id, person_id=busy.person, source="miniapp", name="王小明")
    outcome = _erase(busy)
    assert not outcome.whole
    run_work()
    kinds = {(one.kind, one.namespace) for one in identity_queries.identities_of(busy.person)}
    assert kinds == {("unionid", "open1"), ("mobile", ""), ("openid", second.miniprogram.namespace)}
    other = member_queries.member(second.brand_id, theirs)
    assert other is not None and (other.status, other.plain_name) == ("active", "王小明")
    assert queries.left(busy.world.brand_id, busy.person) and not queries.left(second.brand_id, busy.person)
    assert member_queries.member_of(busy.world.brand_id, busy.person) is None
    leaks = {table for table, name in _leaks() if name in (CONTACT, "CARD-7788", "备注小明", "openid-of-ming")}
    assert leaks == set()
    _erase(busy, person_id=busy.person)
    assert session.scalar(select(func.count()).where(Member.status == "active")) == 1, "the other shopper only"


def test_all_ids_of_a_merged_person_go(busy: Busy) -> None:
    corp = busy.world.wecom.namespace
    with transaction():
        loser = identity.link(ids=[Identity("external_userid", "corp2", "wm_second")], source="test").person_id
        merged = identity.link(
            ids=[Identity("external_userid", corp, CONTACT), Identity("external_userid", "corp2", "wm_second")],
            source="test",
        )
    assert merged.merged == (loser,)
    with transaction():
        erase.erase(brand_id=busy.world.brand_id, person_id=loser, actor="adm_1", reason="本人要求")
    assert identity_queries.identities_of(busy.person) == []
    assert session.get_one(Member, (busy.world.brand_id, busy.member), populate_existing=True).status == "erased"


def test_a_wish_waits_and_can_be_taken_back(busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    brand = busy.world.brand_id
    who: dict[str, Any] = {"brand_id": brand, "person_id": busy.person}

    def ask() -> Erasure:
        with transaction():
            return privacy.ask_erasure(**who, member_id=busy.member, actor="mbr_1", reason="不用了")

    first = ask()
    assert ask().request_id == first.request_id
    with transaction():
        assert erase.confirm(**who).status == "confirmed"
    assert not queries.allowed(brand, busy.member, "marketing"), "marketing ends at once"
    with transaction():
        privacy.cancel_erasure(**who)
    later = clock.now() + timedelta(days=8)
    with time_machine.travel(later), transaction():
        assert privacy.announce_due(limit=10) == 0
    ask()
    with transaction():
        erase.confirm(**who)
    with transaction():
        assert privacy.announce_due(limit=10) == 0, "the days of grace"
    with time_machine.travel(later):
        with transaction():
            assert privacy.announce_due(limit=10) == 1
        run_work()
    assert session.get_one(Member, (brand, busy.member), populate_existing=True).status == "erased"
    statuses = session.scalars(select(Erasure.status).order_by(Erasure.request_id)).all()
    assert statuses == ["cancelled", "done"]
    assert set(session.scalars(select(Erasure.reason))) == {""}, "their own words went too"


def test_the_ids_to_look_for_are_sealed_until_they_were_looked_for(busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    outcome = _erase(busy)
    row = session.scalars(select(Erasure)).one()
    assert (
        row.sealed is not None
        and CONTACT in json.loads(crypto.decrypt(row.sealed, context="privacy.erasure"))["values"]
    )
    run_work()
    assert (
        session.get_one(Erasure, (row.brand_id, row.person_id, outcome.request_id), populate_existing=True).sealed
        is None
    )


def _claims_while_erased(app: Any, busy: Busy, *, late: bool, run_work: Any) -> int:
    """Coupons that are open at the end when a burst of issues meets an erasure."""

    def issue(number: int) -> Any:
        with transaction():
            return coupons.issue(
                brand_id=busy.world.brand_id,
                member_id=busy.member,
                campaign_id=busy.campaign,
                source="push",
                source_ref=f"burst:{number}",
            )

    at_once(app, [lambda: _erase(busy).whole, *(lambda number=number: issue(number) for number in range(7))])
    # One that was decided before the erasure and is written after it.
    issue(99)
    if late:
        run_work()
    session.rollback()
    return session.scalar(select(func.count()).where(Coupon.status == "claimed")) or 0


def test_what_is_written_beside_an_erasure_goes_too(app, busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    with transaction():
        session.execute(text("UPDATE campaign_version SET terms = jsonb_set(terms, '{per_member}', '50')"))
    assert _claims_while_erased(app, busy, late=True, run_work=run_work) == 0


def test_without_the_second_look_it_stays(app, busy: Busy, run_work) -> None:  # type: ignore[no-untyped-def]
    """The twin: what came too late for the erasure is still there until somebody looks again."""
    with transaction():
        session.execute(text("UPDATE campaign_version SET terms = jsonb_set(terms, '{per_member}', '50')"))
    assert _claims_while_erased(app, busy, late=False, run_work=run_work) > 0
    run_work()


def test_the_same_person_is_erased_once(app, busy: Busy) -> None:  # type: ignore[no-untyped-def]
    told = at_once(app, [lambda: _erase(busy).whole] * 4)
    assert sorted(map(str, told)) in (
        ["True", *["not_found"] * 3],
        ["True", "not_found", "not_found", "person_erased"],
        ["True", "not_found", "person_erased", "person_erased"],
        ["True", *["person_erased"] * 3],
    )
    assert session.scalar(select(func.count()).where(Erasure.status == "done")) == 1
