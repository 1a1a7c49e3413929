"""Whatever is told in whatever order, persons are the connected groups of the ids, and ids never get lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invariants import broken

from app.core.transaction import transaction
from app.identity import commands, queries
from app.identity.rules import Identity

_rounds = itertools.count(1)
NAMES = "abcdefg"


def groups(told: list[tuple[str, ...]]) -> set[frozenset[str]]:
    """The connected groups of names that were told together."""
    found: list[set[str]] = []
    for names in told:
        joined = set(names).union(*(group for group in found if group & set(names)))
        found = [group for group in found if not group & joined] + [joined]
    return {frozenset(group) for group in found}


@pytest.mark.usefixtures("app")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple), max_size=9))
def test_persons_are_the_connected_groups(told: list[tuple[str, ...]]) -> None:
    this = next(_rounds)  # openids of an app of this round: nothing of the rounds before meets them

    def one(name: str) -> Identity:
        return Identity("openid", f"wx-{this}-{name}", name)

    seen: set[int] = set()
    for names in told:
        with transaction():
            linked = commands.link(ids=[one(name) for name in names], source="test")
            seen.add(linked.person_id)
        assert linked.conflict is None
    owners: dict[int, set[str]] = {}
    for name in set(itertools.chain(*told)):
        person = queries.person_of(one(name))
        assert person is not None
        owners.setdefault(person, set()).add(name)
    assert {frozenset(names) for names in owners.values()} == groups(told)
    assert {queries.resolve(person) for person in seen} == set(owners)
    assert broken("identity.") == []
