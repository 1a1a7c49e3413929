"""A guide's callback, a till's import and a shopper's binding of one human, all in the same moment."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
from at_once import at_once
from invariants import broken
from sqlalchemy import select

from app.core import transaction as transactions
from app.core.db import session
from app.core.outbox import Outbox
from app.flows import bind_phone, people, till_member
from app.identity import queries as identity
from app.identity.rules import Identity
from app.members.models import Member

OPENID = Identity("openid", "wx", "o")
UNION = Identity("unionid", "open1", "u")
EXTERNAL = Identity("external_userid", "ww", "wm")
PHONE = "13712345678"


def stories(world) -> list[Callable[[], object]]:  # type: ignore[no-untyped-def]
    brand_id = world.brand_id
    return [
        lambda: bind_phone.bind(brand_id=brand_id, openid=OPENID, phone=PHONE),
        lambda: till_member.open_card(brand_id=brand_id, store_id=world.store.id, card_no="C1", phone=PHONE),
        lambda: people.link(brand_id=brand_id, ids=[EXTERNAL, UNION], source="contact"),
        lambda: people.link(brand_id=brand_id, ids=[OPENID, UNION], source="login"),
    ]


def one_member() -> None:
    (member,) = session.scalars(select(Member).execution_options(populate_existing=True))
    assert member.card_no == "C1" and member.bound_at is not None
    card = next(row for row in session.scalars(select(Outbox)) if row.name == "members.joined")
    assert card.member_id == member.member_id
    for one in (OPENID, UNION, EXTERNAL, Identity("mobile", "", PHONE)):
        assert identity.person_of(one) == member.person_id
    assert broken("identity.", "members.") == []
    names = [row.name for row in session.scalars(select(Outbox))]
    assert names.count("members.bound") == names.count("members.joined") == 1


@pytest.mark.parametrize("round_", range(6))
def test_all_at_once_is_one_member(app, world, round_: int) -> None:  # type: ignore[no-untyped-def]
    works = stories(world)
    works = works[round_ % 4 :] + works[: round_ % 4]
    results = at_once(app, [partial(transactions.run, work) for work in (*works, *works)])
    assert not [result for result in results if isinstance(result, str)]
    one_member()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
def test_one_after_the_other_in_any_order_is_one_member(world, order: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    works = stories(world)
    for index in order:
        transactions.run(works[index])
    one_member()
