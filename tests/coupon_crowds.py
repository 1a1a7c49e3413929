"""What races of coupons share: who claims, who redeems, and how a guard is taken away to show what it is for."""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Barrier
from types import ModuleType
from typing import Any

import psycopg
import pytest
from coupon_factories import BASKET, key, till
from factories import World
from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from app.core import ids
from app.core.db import session
from app.core.idempotency import Asked
from app.core.transaction import run, transaction
from app.coupons import commands
from app.coupons.models import Coupon, Redemption
from app.coupons.rules import Line

CONNECTIONS = 24  # of the hot pool in these tests; the session's own pool has 8
# By name: the package's functions of the same names hide some of them.
REDEEM, TAKE, ORDER, HOLD, GIVE_BACK, OFFLINE, PARTS = (
    f"app.coupons.commands.{name}" for name in ("redeem", "take", "order", "hold", "give_back", "offline", "parts")
)
QUERIES = "app.coupons.queries"


def module(name: str) -> ModuleType:
    return sys.modules[name]


def transacted(work: Callable[[], Any]) -> Callable[[], Any]:
    """The work in a transaction of its own, again from its start after a deadlock, as routes do it."""
    return lambda: run(work)


def claim(
    world: World,
    campaign_id: int,
    member_id: int | None = None,
    *,
    store: int | None = None,
    value: str | None = None,
    asked: Asked | None = None,
) -> Any:
    """A member (a new one when none is named) claims over the hot path."""
    member_id = member_id or ids.new_id()
    return commands.claim(
        brand_id=world.brand_id,
        member_id=member_id,
        campaign_id=campaign_id,
        key=key(f"miniapp:{member_id}", value=value or f"claim-{ids.new_id()}"),
        store_id=None if store is None else world.stores[store].id,
        asked=asked,
    )


def use(world: World, code: str, *, order_no: str, lines: Sequence[Line] = BASKET, value: str | None = None) -> Any:
    """A till redeems over the hot path, with lines of its own."""
    using = key(body=(code, order_no), value=value)
    return commands.redeem(till=till(world), key=using, code=code, order_no=order_no, lines=lines)


def refund(world: World, redemption_id: int, *lines: tuple[int, int], refund_no: str | None = None) -> Any:
    """A refund of (line_no, quantity), in the open transaction."""
    return commands.refund(
        brand_id=world.brand_id,
        redemption_id=redemption_id,
        refund_no=refund_no or f"R{ids.new_id()}",
        lines=list(lines),
    )


def won(results: Sequence[Any]) -> list[Any]:
    """Those who got what they wanted."""
    return [one for one in results if not isinstance(one, str)]


def refused(results: Sequence[Any]) -> Counter[str]:
    """How often each refusal was the answer."""
    return Counter(one for one in results if isinstance(one, str))


def redemptions() -> list[Redemption]:
    with transaction():
        return list(session.query(Redemption).order_by(Redemption.redemption_id))


def coupons_out() -> list[Coupon]:
    with transaction():
        return list(session.query(Coupon).order_by(Coupon.coupon_id))


def all_read_first(patch: pytest.MonkeyPatch, where: str, name: str, hands: int) -> None:
    """Let `hands` callers of a function all have its answer before any of them goes on: the widest window there is."""
    real, gate, calls = getattr(module(where), name), Barrier(hands), itertools.count()

    def read(*arguments: Any, **named: Any) -> Any:
        found = real(*arguments, **named)
        if next(calls) < hands:
            gate.wait(30)
        return found

    patch.setattr(module(where), name, read)


class Unguarded:
    """Takes guards away until the test ends: parts of statements, constraints and indexes of the database."""

    def __init__(self, patch: pytest.MonkeyPatch, emptied: Callable[[], None]) -> None:
        self._patch, self._emptied = patch, emptied
        self._dropped: list[str] = []

    def without(self, where: str, name: str, *guards: str, instead: str = "") -> None:
        """A statement of a module without these parts of it."""
        statement = getattr(module(where), name)
        words = statement.text if isinstance(statement, TextClause) else statement
        for guard in guards:
            assert guard in words, guard
            words = words.replace(guard, instead)
        self._patch.setattr(module(where), name, text(words) if isinstance(statement, TextClause) else words)

    def drop(self, table: str, name: str) -> None:
        """A table without a constraint or an index."""
        with _admin() as connection:
            constraint = connection.execute(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s",
                (table, name),
            ).fetchone()
            if constraint is not None:
                connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
                self._dropped.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint[0]}")
                return
            index = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", (name,)).fetchone()
            assert index is not None, name
            connection.execute(f"DROP INDEX {name}")
            self._dropped.append(index[0])

    def restore(self) -> None:
        self._emptied()  # what is there now would not pass
        with _admin() as connection:
            for statement in self._dropped:
                connection.execute(statement)


def _admin() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
