"""Joining, binding, owning guides and merges of persons."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from invariants import broken
from sqlalchemy import select

from app.core import clock, tokens
from app.core.db import session
from app.core.idempotency import once
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands, queries
from app.members.errors import MemberUnknown
from app.members.models import GuideHistory
from app.members.rules import is_number, masked_phone, number_from


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("members.") == []


def person(name: str) -> int:
    return identity.link(ids=[Identity("openid", "wx", name)], source="test").person_id


def events(name: str) -> list[dict[str, Any]]:
    return [row.payload for row in session.scalars(select(Outbox).where(Outbox.name == name).order_by(Outbox.id))]


def test_joining_twice_is_one_member_and_fills_in_what_was_blank(world) -> None:
    with transaction():
        who = person("a")
        first = commands.join(brand_id=world.brand_id, person_id=who, source="miniapp", phone_tail="5678")
        again = commands.join(
            brand_id=world.brand_id,
            person_id=who,
            source="till",
            card_no="C1",
            name="王小美",
            phone_tail="0000",
            birthday=date(1990, 5, 1),
            store_id=world.store.id,
            gender=2,
        )
    member = queries.member_of(world.brand_id, who)
    assert first == again == member.member_id
    assert (member.card_no, member.plain_name, member.phone_tail, member.source) == ("C1", "王小美", "5678", "miniapp")
    assert (member.birthday, member.home_store_id, member.gender) == (date(1990, 5, 1), world.store.id, 2)
    assert "王" not in member.name
    assert len(events("members.joined")) == 1


def test_a_member_is_found_by_the_number_people_read_out(world) -> None:
    with transaction():
        member_id = commands.join(brand_id=world.brand_id, person_id=person("a"), source="till")
    member = queries.member(world.brand_id, member_id)
    assert is_number(member.number) and queries.by_number(world.brand_id, member.number).member_id == member_id
    assert queries.by_number(world.brand_id, "1234567890") is None
    assert queries.by_number(world.brand_id + 1, member.number) is None


def test_numbers_carry_a_check_digit() -> None:
    number = number_from(123456789)
    assert len(number) == 10 and is_number(number)
    slips = [number[:i] + str((int(number[i]) + 1) % 10) + number[i + 1 :] for i in range(10)]
    assert not any(map(is_number, slips))
    assert not any(map(is_number, ["", "123", "１２３４５６７８９７", number + "0"]))
    assert masked_phone("13712345678") == "137****5678"


def test_binding_is_announced_once(world) -> None:
    with transaction():
        member_id = commands.join(brand_id=world.brand_id, person_id=person("a"), source="till")
    for _ in range(2):
        with transaction():
            commands.bind(brand_id=world.brand_id, member_id=member_id, phone_tail="5678")
    assert len(events("members.bound")) == 1
    with pytest.raises(MemberUnknown), transaction():
        commands.bind(brand_id=world.brand_id, member_id=1, phone_tail="5678")


def test_an_owning_guide_has_a_history(world) -> None:
    with transaction():
        member_id = commands.join(brand_id=world.brand_id, person_id=person("a"), source="till")
    for guide in (world.guides[0], world.guides[0], world.guides[2]):
        with transaction():
            commands.assign_guide(
                brand_id=world.brand_id,
                member_id=member_id,
                guide_id=guide.id,
                store_id=guide.store_id,
                reason="test",
            )
    member = queries.member(world.brand_id, member_id)
    assert (member.guide_id, member.home_store_id) == (world.guides[2].id, world.stores[0].id)
    history = session.scalars(select(GuideHistory).order_by(GuideHistory.from_at)).all()
    assert [row.guide_id for row in history] == [world.guides[0].id, world.guides[2].id]
    assert len(events("members.guide_assigned")) == 2


def test_standing_is_one_look(world) -> None:
    with transaction():
        who, nobody = person("a"), person("b")
        member_id = commands.join(brand_id=world.brand_id, person_id=who, source="till")
    with transaction():
        once(scope=f"miniapp:{member_id}", key="asked-before", digest=b"1", work=lambda: {"done": 1})

    def look(person_id: int, key: str = "", token: str = "good") -> queries.Standing | None:
        return queries.standing(world.brand_id, person_id, token, scope="miniapp:", key=key)

    assert look(who) == look(who, "asked-now") == (who, member_id, "active", None, None)
    assert look(who, "asked-before") == (who, member_id, "active", b"1", {"done": 1})
    assert look(nobody, "asked-before") == (nobody, None, None, None, None)
    assert look(1) is None
    with transaction():
        tokens.revoke({"jti": "bad", "exp": clock.now().timestamp()})
    assert look(who, token="bad") is None
