"""Linking at the same time, from real connections."""

from __future__ import annotations

from functools import partial

import pytest
from at_once import at_once
from invariants import broken
from sqlalchemy import func, select

from app.core.db import session
from app.core.transaction import run, transaction
from app.identity import commands, queries
from app.identity.models import IdentityRow, Person, PersonMerge
from app.identity.rules import Identity, mobile


def ids(*names: str) -> list[Identity]:
    return [Identity("openid", f"app-{name}", name) for name in names]


@pytest.mark.parametrize("round_", range(8))
def test_overlapping_pairs_end_as_one_person(app, round_: int) -> None:  # type: ignore[no-untyped-def]
    chain = "abcdef"
    with transaction():
        for name in chain if round_ % 2 else chain[1::2]:
            commands.link(ids=ids(name), source="test")
    pairs = [ids(a, b) for a, b in zip(chain, chain[1:], strict=False)]
    works = [lambda pair=pair: commands.link(ids=pair, source="race") for pair in pairs]
    results = at_once(app, [partial(run, work) for work in works])
    assert not [result for result in results if isinstance(result, str)]
    owners = {queries.person_of(one) for one in ids(*chain)}
    assert len(owners) == 1 and None not in owners
    assert broken("identity.") == []


def test_the_same_first_login_many_times_is_one_person(app) -> None:  # type: ignore[no-untyped-def]
    told = [Identity("unionid", "open", "u"), Identity("openid", "wx", "o"), mobile("13712345678")]
    results = at_once(app, [partial(run, lambda: commands.link(ids=told, source="race").person_id)] * 6)
    assert len(set(results)) == 1
    with transaction():
        assert session.scalar(select(func.count()).select_from(IdentityRow)) == 3
        assert session.scalar(select(func.count()).select_from(Person)) == 1
        assert session.scalar(select(func.count()).select_from(PersonMerge)) == 0
