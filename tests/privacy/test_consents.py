"""Consents are written once and for good; opt-outs follow them in the same transaction, through joining and merging."""

from __future__ import annotations

from datetime import timedelta

import pytest
from at_once import at_once
from invariants import broken
from people import make_member
from privacy_shop import Shop
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError

from app.core import clock
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows import people, split
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import family
from app.members import queries as member_queries
from app.privacy import commands as privacy
from app.privacy import fold, queries
from app.privacy.errors import PolicyChanged, PolicyUnknown
from app.privacy.models import Consent, OptOut


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("privacy.", "identity.", "members.") == []


def _allowed(shop: Shop, channel: str = "any", purpose: str = "marketing", member: int = 0) -> bool:
    return queries.allowed(shop.brand, member or shop.member, purpose, channel)


def test_a_refusal_is_kept_ready_for_sets_of_members(shop: Shop) -> None:
    assert _allowed(shop, "wecom")
    shop.say(False, channel="wecom")
    assert not _allowed(shop, "wecom") and _allowed(shop, "sms") and _allowed(shop, "any")
    shop.say(False)
    assert {one.channel for one in queries.opt_outs(shop.brand, shop.member)} == {
        "any", "miniapp", "wecom", "sms", "call", "mail",
    }  # fmt: skip
    shop.say(True)
    assert queries.opt_outs(shop.brand, shop.member) == []
    names = session.scalars(select(Outbox.name).where(Outbox.name.like("privacy.%")).order_by(Outbox.id)).all()
    assert names == ["privacy.opted_out", "privacy.opted_out", "privacy.opted_in"]


def test_sharing_in_the_group_needs_a_yes(shop: Shop) -> None:
    assert not _allowed(shop, purpose="group_sharing")
    shop.say(True, purpose="group_sharing")
    assert _allowed(shop, purpose="group_sharing")
    shop.say(False, purpose="group_sharing")
    assert not _allowed(shop, purpose="group_sharing")
    assert queries.opt_outs(shop.brand, shop.member) == []


def test_a_consent_is_never_changed_or_deleted(shop: Shop) -> None:
    shop.say(True)
    for statement in (update(Consent).values(granted=False), delete(Consent)):
        with pytest.raises(DBAPIError, match="append-only"), transaction():
            session.execute(statement)


def test_a_yes_is_a_yes_to_a_published_text(shop: Shop) -> None:
    shop.say(True)
    assert session.scalar(select(Consent.version)) == "2026-01"
    with pytest.raises(PolicyUnknown):
        shop.say(True, version="1999-01")
    with pytest.raises(PolicyUnknown):
        shop.say(True, at=clock.now() - timedelta(days=60))
    with pytest.raises(PolicyChanged), transaction():
        privacy.publish_policy(brand_id=shop.brand, version="2026-01", digest="1" * 64, valid_from=clock.now())


def test_one_report_counts_once(shop: Shop) -> None:
    assert shop.say(False, ref="row:7")
    assert not shop.say(False, ref="row:7")
    assert session.scalar(select(func.count()).select_from(Consent)) == 1


def test_an_older_word_that_comes_late_changes_nothing(shop: Shop) -> None:
    shop.say(False)
    shop.say(True, at=clock.now() - timedelta(days=3))
    assert not _allowed(shop)


def test_somebody_who_said_no_before_joining_is_not_reached_as_a_member(shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    with transaction():
        person = identity.link(ids=[Identity("openid", "wxapp", "stranger")], source="test").person_id
    shop.say(False, person=person)
    with transaction():
        member = members.join(brand_id=shop.brand, person_id=person, source="miniapp")
    run_work()
    assert not _allowed(shop, member=member)


def test_a_merge_keeps_the_stricter_word_and_a_split_gives_each_their_own(shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    with transaction():
        other = identity.link(ids=[Identity("external_userid", "corp", "wm1")], source="test").person_id
    shop.say(False, person=other, channel="sms")
    shop.say(True)
    assert _allowed(shop, "sms")
    with transaction():
        merged = identity.link(
            ids=[_openid(shop), Identity("external_userid", "corp", "wm1")],
            source="test",
        )
    assert merged.merged == (other,)
    run_work()
    assert not _allowed(shop, "sms") and _allowed(shop, "call")
    shop.say(True, channel="sms")
    assert _allowed(shop, "sms"), "said again after the merge"


def test_folding_members_recomputes_both_ways(shop: Shop) -> None:
    """Two members of one person: the winner refuses what either did; parted, each refuses their own again."""
    with transaction():
        other = make_member(shop.world, phone="13712340002")
        row = member_queries.member(shop.brand, other)
        assert row is not None
    shop.say(False, person=row.person_id, channel="call")
    assert not _allowed(shop, "call", member=other)
    with transaction():
        home = family.homecoming(shop.brand, shop.member, other)
        fold.unfold(brand_id=shop.brand, winner_id=shop.member, loser_id=other, merge_id=1, home=home)
        fold.unfold(brand_id=shop.brand, winner_id=shop.member, loser_id=other, merge_id=1, home=home)
    assert _allowed(shop, "call") and not _allowed(shop, "call", member=other)


def test_statements_of_one_moment_are_all_seen(app, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    channels = ["miniapp", "wecom", "sms", "call", "mail"]
    assert at_once(app, [lambda one=one: shop.say(False, channel=one) for one in channels]) == [True] * 5
    assert {one.channel for one in queries.opt_outs(shop.brand, shop.member)} == set(channels)


def test_without_the_hold_a_statement_of_the_same_moment_is_lost(app, shop: Shop, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The twin: two opposite words at once, each worked out without the other, leave what neither meant."""
    lost = 0
    for _ in range(20):
        with monkeypatch.context() as patched:
            patched.setattr(identity, "hold", lambda person_id: person_id)
            at_once(app, [lambda: shop.say(False), lambda: shop.say(True)])
        session.expire_all()
        wanted = queries.refused(shop.brand, shop.person)
        lost += wanted != {(one.purpose, one.channel) for one in queries.opt_outs(shop.brand, shop.member)}
        session.remove()
        shop.say(True)
    assert lost


def _openid(shop: Shop) -> Identity:
    appid = shop.world.miniprogram.namespace
    return Identity("openid", appid, identity_queries.values_of(shop.person, "openid", appid)[0])


def test_a_phone_alone_does_not_carry_a_consent(shop: Shop) -> None:
    with transaction():
        stranger = identity.link(ids=[mobile("13799990000")], source="test").person_id
    shop.say(False, person=stranger)
    assert _allowed(shop)
    assert session.scalar(select(func.count()).select_from(OptOut)) == 0


def test_a_merge_of_two_members_and_its_split_keep_refusals_in_the_same_transaction(shop: Shop) -> None:
    """WeChat vouches that two members are one: what either refused holds at once, and each their own after a split."""
    with transaction():
        other = make_member(shop.world, phone="13712340003")
        row = member_queries.member(shop.brand, other)
        assert row is not None
        theirs = row.person_id
    corp = shop.world.wecom.namespace
    with transaction():
        identity.link(ids=[Identity("external_userid", corp, "wm_other"), mobile("13712340003")], source="test")
    shop.say(False, person=theirs, channel="call")
    with transaction():
        linked = people.link(
            brand_id=shop.brand, ids=[_openid(shop), Identity("external_userid", corp, "wm_other")], source="test"
        )
        assert not _allowed(shop, "call"), "before anybody heard of the merge"
    assert linked.merged == (theirs,)
    assert queries.opt_outs(shop.brand, other) == []
    merge_id = identity_queries.merges_of(shop.person)[0].merge_id
    with transaction():
        split.split(merge_id=merge_id, by="adm_1", reason="两个人")
        assert _allowed(shop, "call") and not _allowed(shop, "call", member=other), "before anybody heard of the split"
