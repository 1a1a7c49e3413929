"""Linking at the same time, from real connections."""

from __future__ import annotations

import pytest
from at_once import at_once
from sqlalchemy import func, select

from app.core.db import session
from app.core.transaction import transaction
from app.flows import doctor
from app.identity import commands, queries
from app.identity.models import IdentityRow, Person, PersonMerge
from app.identity.rules import Identity, mobile

pytestmark = pytest.mark.committed


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
    results = at_once(app, works)
    assert not [result for result in results if isinstance(result, Exception)]
    owners = {queries.person_of(one) for one in ids(*chain)}
    assert len(owners) == 1 and None not in owners
    with transaction():
        assert not [finding for finding in doctor.examine("identity.") if finding.count]


def test_the_same_first_login_many_times_is_one_person(app) -> None:  # type: ignore[no-untyped-def]
    told = [Identity("unionid", "open", "u"), Identity("openid", "wx", "o"), mobile("13712345678")]
    results = at_once(app, [lambda: commands.link(ids=told, source="race").person_id for _ in range(6)])
    assert len(set(results)) == 1
    with transaction():
        assert session.scalar(select(func.count()).select_from(IdentityRow)) == 3
        assert session.scalar(select(func.count()).select_from(Person)) == 1
        assert session.scalar(select(func.count()).select_from(PersonMerge)) == 0
