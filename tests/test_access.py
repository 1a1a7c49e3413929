"""Every route called as every caller: the table that `flask access` prints is what happens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from console_world import bearer, make_admins
from factories import World, make_world

from app import access
from app.access import CALLERS, Route
from app.admin import scope
from app.core import ids, tokens
from app.core.transaction import transaction
from app.flows import till_member
from app.miniapp import auth as miniapp_auth
from app.pos import auth as pos_auth

Headers = dict[str, str]


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def callers(app: Any, world: World) -> dict[str, Callable[[Route, str], Headers]]:
    """What each caller sends, fresh for every request: a logout must not spoil the next one."""
    admins = make_admins(world)
    with transaction():
        shopper = till_member.open_card(
            brand_id=world.brand_id, store_id=world.store.id, card_no="C1", phone="13912340001"
        ).member

    def guide(route: Route, path: str) -> Headers:
        token, _ = tokens.issue("sidebar", {"sub": ids.encode("gde", world.guide.id)})
        return {"Cookie": f"siyu_sidebar={token}"}

    def shop(route: Route, path: str) -> Headers:
        token, _ = miniapp_auth.issue(brand_id=world.brand_id, person_id=shopper.person_id, openid="o1")
        return {"Authorization": f"Bearer {token}"}

    def till(route: Route, path: str) -> Headers:
        stamp = str(int(time.time()))
        signature = pos_auth.signature(
            world.till_secret.encode(), method=route.method, target=path, timestamp=stamp, idempotency_key=path[:64]
        )
        return {
            "X-Siyu-Key": world.till.key_id,
            "X-Siyu-Timestamp": stamp,
            "X-Siyu-Signature": signature,
            "Idempotency-Key": path[:64],
        }

    known: dict[str, Callable[[Route, str], Headers]] = {
        "nobody": lambda route, path: {},
        "shopper": shop,
        "guide": guide,
        "till": till,
    }
    for role, admin in admins.items():
        known[role] = lambda route, path, admin=admin: bearer(admin)
    return known


def _path(route: Route) -> str:
    """The route with an id nobody has in each place."""
    return re.sub(r"<(?:[^:>]+:)?(\w+)>", lambda found: _nothing(found[1]), route.path)


def _nothing(name: str) -> str:
    return "pause" if name == "step" else "no-such-thing"


def _outcome(answer: Any) -> str:
    location = answer.headers.get("Location", "")
    if answer.status_code == 401 or (answer.status_code == 302 and "/console/login?next=" in location):
        return "stranger"
    return "refused" if answer.status_code == 403 else "served"


def _expected(route: Route, caller: str) -> str:
    if caller in route.callers:
        return "served"
    return "refused" if route.audience == "admin" and caller in access.ROLES else "stranger"


def test_every_route_says_whom_it_serves(app: Any) -> None:
    """No route is forgotten: it is open for a reason, or somebody may call it; and no rule names a route long gone."""
    routes = access.routes(app)
    assert [one.endpoint for one in routes if not one.open and not one.callers] == []
    endpoints = {one.endpoint for one in routes}
    assert set(access.OPEN) <= endpoints
    assert scope.ROLES.keys() | scope.OPEN == {one.endpoint for one in routes if one.audience == "admin"}


def test_the_matrix_is_what_happens(app: Any, callers: Any) -> None:
    wrong, seen = [], set()
    for route in access.routes(app):
        if route.open:
            continue
        for caller in CALLERS:
            path = _path(route)
            visitor = app.test_client(use_cookies=False)  # a cookie of one caller must not follow the next
            answer = visitor.open(path, method=route.method, headers=callers[caller](route, path))
            assert answer.status_code < 500, (route.method, path, caller, answer.text[:300])
            outcome = _outcome(answer)
            seen.add(outcome)
            if outcome != _expected(route, caller):
                wrong.append((route.method, path, caller, answer.status_code))
    assert wrong == [], wrong
    assert seen == {"served", "refused", "stranger"}


def test_hooks_take_only_what_is_signed(app: Any, client: Any, callers: Any) -> None:
    for route in access.routes(app):
        if route.audience == "hooks":
            for caller in CALLERS:
                path = _path(route)
                answer = client.open(path, method=route.method, headers=callers[caller](route, path))
                assert 400 <= answer.status_code < 500, (route.method, path, caller)


def test_the_table_is_printed(app: Any) -> None:
    printed = app.test_cli_runner().invoke(args=["access"])
    assert printed.exit_code == 0, printed.output
    assert "/api/admin/v1/members" in printed.output and "open" in printed.output
    assert all(rows in printed.output for rows in access.ROWS.values()) and tuple(access.ROWS) == CALLERS
