"""Follows in any order, and effects outside that happen once."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.channels import commands, queries
from app.channels.models import Follow
from app.core.db import session
from app.core.transaction import transaction
from app.identity import commands as identity
from app.identity.rules import Identity

KEY = {"corp_id": "ww", "userid": "g", "external_userid": "wm"}


def at(second: int) -> datetime:
    return datetime.fromtimestamp(1_700_000_000 + second, UTC)


def record(world, second: int, **facts) -> bool:  # type: ignore[no-untyped-def]
    with transaction():
        person = identity.link(ids=[Identity("external_userid", "ww", "wm")], source="test").person_id
        return commands.record_follow(
            **KEY, brand_id=world.brand_id, guide_id=world.guide.id, person_id=person, at=at(second), **facts
        )


def lose(second: int, deleted: bool = False) -> bool:
    with transaction():
        return commands.mark_lost(**KEY, at=at(second), deleted=deleted) is not None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_newest_event_wins_in_any_order(world, order: tuple[int, ...]) -> None:
    acts = [lambda: record(world, 10), lambda: lose(20), lambda: record(world, 30)]
    record(world, 0)
    for index in order:
        acts[index]()
    follow = queries.follow(**KEY)
    assert (follow.status, follow.changed_at) == ("active", at(30))


def test_news_is_told_once(world) -> None:
    assert record(world, 0, state="s") and not record(world, 0) and not record(world, 5)
    assert queries.follow(**KEY).state == "s"
    assert lose(10) and not lose(10) and not lose(5)
    assert lose(11, deleted=True)
    assert not record(world, 10) and record(world, 12)


def test_a_contact_card_is_sealed(world) -> None:
    record(world, 0)
    with transaction():
        commands.describe_contact(corp_id="ww", external_userid="wm", name="安娜", avatar=None, type=1, gender=2)
    follow = queries.follow(**KEY)
    assert "安娜" not in follow.contact and queries.contact_card(follow).name == "安娜"


def test_follows_are_found_by_every_id_of_the_person(world) -> None:
    with transaction():
        older = identity.link(ids=[Identity("openid", "wx", "o")], source="test").person_id
    record(world, 0)
    newer = session.scalars(select(Follow.person_id)).one()
    with transaction():
        identity.link(ids=[Identity("openid", "wx", "o"), Identity("external_userid", "ww", "wm")], source="test")
    for person in (older, newer):
        assert [row.userid for row in queries.follows_of_person(person, brand_id=world.brand_id, active=True)] == ["g"]


def test_an_effect_is_claimed_once_and_what_is_known_stays(world) -> None:
    with transaction():
        assert commands.reserve_outbound("welcome", "code", world.brand_id)
        assert not commands.reserve_outbound("welcome", "code", world.brand_id)
        commands.release_outbound("welcome", "code")
        assert commands.reserve_outbound("welcome", "code", world.brand_id)
        commands.finish_outbound("welcome", "code", status="sent", outside_id="m1")
        commands.finish_outbound("welcome", "code", status="failed", error="late")
        commands.release_outbound("welcome", "code")
    row = queries.outbound("welcome", "code")
    assert (row.status, row.outside_id, row.error) == ("sent", "m1", None) and row.finished_at
