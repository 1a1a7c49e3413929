"""The house rules, read from the code itself: what no reviewer should have to look for.

Import directions are import-linter's (pyproject.toml); this file checks what it cannot see, and the table metadata that
keeps the way to a distributed PostgreSQL open.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ForeignKeyConstraint, Identity, Sequence, Table, UniqueConstraint

import wsgi
from app.core.db import MERGES, db
from app.flows import distribute

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"
SOURCES = sorted([*APP.rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
AUDIENCES = ("hooks", "miniapp", "sidebar", "admin", "pos")
HARD_LENGTH = 400

TABLES = sorted(db.metadata.tables.values(), key=lambda table: table.name)
NAMES = [table.name for table in TABLES]
# Tables without a brand: plumbing, the person above all brands, the brand itself, and small global lookups.
WITHOUT_BRAND = {"brand", "person", "identity", "person_merge", "blocked_value", "identity_release", "erased_identity"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == name:
                yield node


def _distribution(table: Table) -> str:
    return str(table.info.get("distribution", ""))


def _uniques(table: Table) -> Iterator[tuple[str, set[str]]]:
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield str(constraint.name), {column.name for column in constraint.columns}
    for index in table.indexes:
        if index.unique:
            yield str(index.name), {column.name for column in index.columns}


def test_the_application_composes() -> None:
    assert wsgi.app.blueprints


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_a_table_says_how_it_is_spread(table: Table) -> None:
    key = _distribution(table)
    assert key in ("reference", "local") or key in table.columns, (
        f"{table.name}: distribution(...) is missing or unknown"
    )
    if key in table.columns:
        assert not table.columns[key].nullable
        assert key in table.primary_key.columns, f"{table.name}: {key} is not in the primary key"


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_a_table_carries_its_brand(table: Table) -> None:
    if _distribution(table) != "local" and table.name not in WITHOUT_BRAND and _distribution(table) != "key":
        assert "brand_id" in table.columns, f"{table.name}: no brand_id"


@pytest.mark.parametrize(
    "table", [table for table in TABLES if _distribution(table) == "member_id"], ids=lambda t: t.name
)
def test_a_member_table_is_led_by_brand_and_member(table: Table) -> None:
    key = [column.name for column in table.primary_key.columns]
    assert key[:2] == ["brand_id", "member_id"], f"{table.name}: primary key {key}"
    assert not table.columns["brand_id"].nullable and not table.columns["member_id"].nullable


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_a_member_table_says_what_a_merge_does(table: Table) -> None:
    """Rows that move have a head that keeps their origin: the table itself, or the one its rows belong to."""
    if _distribution(table) != "member_id":
        assert "merge" not in table.info, f"{table.name} is not spread by member"
        return
    assert table.info.get("merge") in MERGES, f"{table.name}: distribution(..., merge=...) is missing or unknown"
    heads = [table]
    for head in heads:
        heads += [one.referred_table for one in head.foreign_key_constraints if one.referred_table not in heads]
        heads += [one for one in TABLES if one.name == head.info.get("of") and one not in heads]
    if table.info["merge"] == "moves":
        assert any("origin_member_id" in head.columns for head in heads), f"{table.name}: no origin_member_id"


def test_tables_are_told_after_those_their_rows_belong_to() -> None:
    """Whoever writes table after table needs the order, even where triggers keep what a foreign key would."""
    order = [table.name for table in db.metadata.sorted_tables]
    pairs = [(table.info["of"], table.name) for table in TABLES if "of" in table.info]
    assert pairs
    for owner, table in pairs:
        assert order.index(owner) < order.index(table), f"{table} before {owner}"


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_uniqueness_holds_on_one_node(table: Table) -> None:
    key = _distribution(table)
    if key in ("reference", "local"):
        return
    for name, columns in _uniques(table):
        assert key in columns, f"{table.name}: unique {name} lacks {key}; use a lookup table keyed by the value"


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_foreign_keys_stay_on_one_node(table: Table) -> None:
    key = _distribution(table)
    for constraint in table.constraints:
        if not isinstance(constraint, ForeignKeyConstraint):
            continue
        target = constraint.referred_table
        if _distribution(target) == "reference":
            continue
        assert key not in ("reference", "local"), f"{table.name} points at the spread table {target.name}"
        assert _distribution(target) == key, f"{table.name} -> {target.name}: spread by different columns"
        pairs = {(element.parent.name, element.column.name) for element in constraint.elements}
        assert (key, key) in pairs, f"{table.name} -> {target.name}: the foreign key lacks {key}"


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_no_database_sequences(table: Table) -> None:
    for column in table.columns:
        assert not isinstance(column.default, Sequence) and not isinstance(column.server_default, Identity)
        if column.primary_key and column.autoincrement is True:
            raise AssertionError(f"{table.name}.{column.name} is filled by a sequence")


def test_the_distribution_plan_covers_every_table_once() -> None:
    steps = distribute.plan()
    spread = [table.name for table in TABLES if _distribution(table) != "local"]
    assert sorted(step.table for step in steps) == sorted(spread)
    placed: set[str] = set()
    for step in steps:
        assert not step.colocate_with or step.colocate_with in placed
        placed.add(step.table)


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_module(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    where = _name(path)
    parts = path.relative_to(ROOT).parts
    package = parts[1] if len(parts) > 2 else parts[-1]

    assert len(source.splitlines()) <= HARD_LENGTH, f"{where} has more than {HARD_LENGTH} lines"
    assert path.stem not in ("service", "services", "utils", "util", "helpers", "repository"), where
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", source), f"{where} has an unfinished mark"
    assert ast.get_docstring(tree) or not tree.body, f"{where} has no docstring"

    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), (
                    f"{where}:{inner.lineno} imports in a function"
                )

    if parts[0] == "app" and package not in (*AUDIENCES, "cli", "core"):
        for call in _calls(tree, "transaction"):
            raise AssertionError(f"{where}:{call.lineno} opens a transaction; only routes, jobs and commands do")
    if package != "core":
        for forbidden in ("commit", "rollback"):
            for call in _calls(tree, forbidden):
                if "simulator" not in parts:  # it has a store of its own and knows no core
                    raise AssertionError(f"{where}:{call.lineno} calls {forbidden}(); only core does")


def test_imports_go_one_way() -> None:
    """import-linter's contracts (pyproject.toml)."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
