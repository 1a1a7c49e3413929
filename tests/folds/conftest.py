"""A brand with earning rules and a ladder; after every test the books must hold."""

from __future__ import annotations

from typing import Any

import pytest
from factories import World, make_world
from invariants import broken
from loyalty import set_rules


@pytest.fixture
def world(app: Any) -> World:
    world = make_world()
    world.extra["tiers"] = set_rules(world.brand_id)
    return world


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("") == []
