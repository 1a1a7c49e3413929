"""A change of keys: everything sealed is encrypted again, in chunks, and the list of what is sealed is whole."""

from __future__ import annotations

import ast
import base64
import importlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from console_world import make_busy
from privacy_shop import Shop
from sqlalchemy import select

from app.channels import commands as channels
from app.core import clock, crypto, hot
from app.core.db import db, session
from app.core.slots import Slot
from app.core.transaction import transaction
from app.flows import rekey, sealed
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.models import IdentityRow
from app.identity.rules import mobile
from app.members.models import Member
from app.privacy.models import Rekeying

APP = Path(sealed.__file__).parent.parent
OLD = crypto.Keyring({"t1": bytes(range(32))}, "t1", bytes(range(32, 64)))
NEW = crypto.Keyring({"t2": bytes(range(64, 96)), "t1": bytes(range(32))}, "t2", bytes(range(32, 64)))
_CIPHERTEXT = re.compile(r"t[12]:[A-Za-z0-9+/]{36,}={0,2}")


@pytest.fixture(autouse=True)
def keys(app) -> Iterator[None]:  # type: ignore[no-untyped-def]
    yield
    crypto.configure(OLD)


def _contexts() -> Iterator[tuple[Path, str]]:
    """The context of every call of crypto.encrypt in the application, as it is named there."""
    for path in APP.rglob("*.py"):
        if path.name == "rekey.py":  # which takes them from the list
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "encrypt"
                and getattr(node.func.value, "id", "") == "crypto"
            ):
                (context,) = [word.value for word in node.keywords if word.arg == "context"]
                assert isinstance(context, ast.Name), f"{path}:{node.lineno}: name the context of a ciphertext"
                yield path, context.id


def test_every_context_that_is_sealed_with_is_in_the_list() -> None:
    listed = {one.context for one in sealed.COLUMNS} | sealed.PASSING
    for path, name in _contexts():
        if "simulator" in path.parts or "demo" in path.parts:
            continue
        module = importlib.import_module(".".join(path.relative_to(APP.parent).with_suffix("").parts))
        assert getattr(module, name) in listed, f"{path} seals with {name}: add its column to flows/sealed.py"


def test_every_column_that_looks_sealed_is_in_the_list(shop: Shop) -> None:
    """By what is stored: a text of any table that is a ciphertext of ours stands in a listed column."""
    busy = make_busy()
    with transaction():
        channels.describe_contact(
            corp_id=busy.world.wecom.namespace,
            external_userid="wm_customer_1",
            name="小明",
            avatar=None,
            type=1,
            gender=1,
        )
    listed = {one.name for one in sealed.COLUMNS}
    found = set()
    with psycopg.connect(hot._conninfo) as connection:
        for table in db.metadata.sorted_tables:
            for row in connection.execute(f'SELECT to_jsonb(one) FROM "{table.name}" AS one').fetchall():
                found |= {
                    f"{table.name}.{column}"
                    for column, value in row[0].items()
                    if isinstance(value, str) and _CIPHERTEXT.fullmatch(value)
                }
    assert found <= listed
    assert found >= {"identity.sealed_value", "member.name", "follow.contact", "platform_account.secret"}


def test_names_that_sound_sealed_are_in_the_list() -> None:
    listed = {one.name for one in sealed.COLUMNS}
    other = {"erased_identity.digest"}
    for table in db.metadata.sorted_tables:
        for column in table.columns:
            if re.search(r"sealed|_secret$|^secret$|ciphertext", column.name):
                assert f"{table.name}.{column.name}" in listed | other


def test_everything_is_encrypted_again_and_reads_as_before(shop: Shop) -> None:
    with transaction():
        for number in range(7):
            identity.link(ids=[mobile(f"136{number}1234567")], source="test")
    crypto.configure(NEW)
    with transaction():
        before = {use.column: use for use in rekey.uses()}
        assert before["identity.sealed_value"].key_id == "t1" and before["identity.sealed_value"].values == 8
    steps = 0
    more = True
    while more:
        with transaction():
            more = rekey.step(chunk=3)
        steps += 1
    assert steps > len(sealed.COLUMNS) + 2
    with transaction():
        assert {use.key_id for use in rekey.uses()} == {"t2"}
        assert all(line.finished for line in rekey.progress())
    crypto.configure(crypto.Keyring({"t2": NEW.keys["t2"]}, "t2", NEW.index_key))  # the old key is gone
    assert identity_queries.phone_of(shop.person) == "13712340001"
    assert session.get_one(Member, (shop.brand, shop.member), populate_existing=True).plain_name == "王小美"


def test_a_worker_killed_anywhere_goes_on_where_it_was(shop: Shop) -> None:
    with transaction():
        for number in range(6):
            identity.link(ids=[mobile(f"136{number}1234567")], source="test")
    crypto.configure(NEW)
    with transaction():
        rekey.step(chunk=2)
    with pytest.raises(KeyboardInterrupt), transaction():
        rekey.step(chunk=2)
        raise KeyboardInterrupt
    row = session.get_one(Rekeying, ("identity.sealed_value", "t2"), populate_existing=True)
    assert (row.seen, row.finished_at) == (2, None)
    more = True
    while more:
        with transaction():
            more = rekey.step(chunk=2)
    assert {value[:2] for value in session.scalars(select(IdentityRow.sealed_value)) if value} == {"t2"}


def test_what_is_changed_meanwhile_stays_changed(shop: Shop, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Compare-and-set: a name written between the look and the write of a chunk is not put back."""
    crypto.configure(NEW)
    real = crypto.decrypt

    def slow(value: str, *, context: str = "") -> str:
        plain = real(value, context=context)
        if context == "members.name":
            with psycopg.connect(hot._conninfo) as other:
                other.execute("UPDATE member SET name = %s", [crypto.encrypt("新名字", context="members.name")])
        return plain

    monkeypatch.setattr(crypto, "decrypt", slow)
    more = True
    while more:
        with transaction():
            more = rekey.step(chunk=10)
    monkeypatch.setattr(crypto, "decrypt", real)
    assert session.get_one(Member, (shop.brand, shop.member), populate_existing=True).plain_name == "新名字"


def test_the_schedule_does_it_by_itself(shop: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    crypto.configure(NEW)
    with transaction():
        session.add(Slot(task="privacy.rekey", at=clock.now() - timedelta(minutes=1), queue="bulk", correlation_id="c"))
    run_work()
    with transaction():
        assert {use.key_id for use in rekey.uses()} == {"t2"}


def test_the_doctor_says_which_key_must_stay(app, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    runner = app.test_cli_runner()
    crypto.configure(NEW)
    shown = runner.invoke(args=["doctor", "keys"])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"key t1: \d+ values, must stay", shown.output) and "key t2: 0 values, encrypts" in shown.output
    done = runner.invoke(args=["privacy", "rotate-keys"])
    assert done.exit_code == 0 and "to do" not in done.output
    assert "key t1: 0 values, may be dropped" in runner.invoke(args=["doctor", "keys"]).output
    crypto.configure(OLD)  # somebody dropped the wrong one
    lost = runner.invoke(args=["doctor", "keys"])
    assert lost.exit_code == 1 and "THE KEY IS MISSING" in lost.output


def test_ciphertexts_are_what_the_list_takes_them_for() -> None:
    assert _CIPHERTEXT.fullmatch(crypto.encrypt("x", context="y"))
    assert not _CIPHERTEXT.fullmatch("t1:" + base64.b64encode(b"short").decode())
