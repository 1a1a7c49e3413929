"""What the triggers of migration 0024 keep: no line without its order, no order taken from under its lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg

_ORDER = """
    INSERT INTO sales_order (brand_id, member_id, order_id, source, order_no, store_id, channel, walk_in, total_fen,
                             discount_fen, paid_fen, status, paid_at, correlation_id, created_at)
    VALUES (1, 2, %(order)s, 'till', 'T' || %(order)s, 1, 'till', false, 100, 0, 100, 'paid', now(), 'test', now())
"""
_LINES = """
    INSERT INTO order_line (brand_id, member_id, order_id, line_no, sku, name, category, quantity, unit_fen, amount_fen,
                            discount_fen, paid_fen)
    SELECT 1, 2, unnest(%(orders)s::bigint[]), 1, 'S', 'S', '', 1, 100, 100, 0, 100
"""


@pytest.fixture
def connection(app: Any) -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as opened:
        opened.execute("SET lock_timeout = 300")
        yield opened


def test_a_line_needs_its_order(connection: psycopg.Connection) -> None:
    connection.execute(_ORDER, {"order": 7})
    connection.execute(_LINES, {"orders": [7]})
    with pytest.raises(pg.ForeignKeyViolation, match="2 orders"):
        connection.execute(_LINES, {"orders": [8, 9]})


def test_an_order_with_lines_is_not_deleted(connection: psycopg.Connection) -> None:
    connection.execute(_ORDER, {"order": 7})
    connection.execute(_LINES, {"orders": [7]})
    with pytest.raises(pg.ForeignKeyViolation, match="lines still"):
        connection.execute("DELETE FROM sales_order")
    connection.execute("DELETE FROM order_line")
    connection.execute("DELETE FROM sales_order")


@pytest.mark.parametrize("table", ["sales_order", "order_line"])
def test_what_ties_them_never_changes(connection: psycopg.Connection, table: str) -> None:
    connection.execute(_ORDER, {"order": 7})
    connection.execute(_LINES, {"orders": [7]})
    with pytest.raises(pg.RestrictViolation):
        connection.execute(f"UPDATE {table} SET member_id = 3")


def test_no_order_goes_while_lines_are_written_to_it(connection: psycopg.Connection) -> None:
    connection.execute(_ORDER, {"order": 7})
    with psycopg.connect(os.environ["DATABASE_URL"]) as writer:
        writer.execute(_LINES, {"orders": [7]})
        with pytest.raises(pg.LockNotAvailable):
            connection.execute("DELETE FROM sales_order")
        writer.commit()
    with pytest.raises(pg.ForeignKeyViolation):
        connection.execute("DELETE FROM sales_order")
