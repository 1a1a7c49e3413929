"""The first rows of a real deployment, from the command line."""

from __future__ import annotations

from factories import make_world

from app.core import audit, crypto
from app.core.db import session
from app.core.transaction import reading
from app.org import queries as org
from app.org.rules import ACCOUNT_CONTEXT, API_SECRET_CONTEXT

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


def test_a_deployment_is_set_up(app):
    run = app.test_cli_runner().invoke
    assert run(args=["brand", "create", "acme", "Acme"]).exit_code == 0
    secrets = ["--secret", "s3cret", "--callback-token", "token", "--callback-aes-key", AES_KEY]
    done = run(args=["account", "set", "acme", "wecom", "ww1", "--open-platform", "open", "--agent-id", "7", *secrets])
    assert done.exit_code == 0, done.output
    for store, region in (("S1", "east"), ("S2", "east")):
        made = run(args=["store", "create", "acme", store, f"Store {store}", "--region", region, "--dealer", "d1"])
        assert made.exit_code == 0, made.output
    assert run(args=["guide", "create", "acme", "S1", "anna", "Anna"]).exit_code == 0
    assert run(args=["guide", "create", "acme", "S1", "max", "Max", "--manager"]).exit_code == 0
    assert run(args=["admin", "create", "hq", "HQ", "--password", "long enough pass"]).exit_code == 0
    key = run(args=["client", "create", "acme", "till"])
    assert key.exit_code == 0
    key_id, secret = (line.split()[1] for line in key.output.splitlines())
    with reading():
        account = org.account_by_namespace("wecom", "ww1")
        client, admin = org.api_client(key_id), org.admin_user("hq")
    assert crypto.decrypt(account.secret, context=ACCOUNT_CONTEXT) == "s3cret"
    assert crypto.decrypt(client.secret, context=API_SECRET_CONTEXT) == secret
    with reading():
        first, second = org.stores(account.brand_id)
        assert first.region_id == second.region_id and first.dealer_id == second.dealer_id
        assert [guide.role for guide in org.guides_of_store(first.id)] == ["guide", "store_manager"]
        assert org.guide_by_userid("ww1", "anna").store_id == first.id
    assert admin.role == "hq" and "long enough" not in admin.password_hash
    assert audit.broken_links() == []


def test_mistakes_are_named_and_change_nothing(app):
    run = app.test_cli_runner().invoke
    assert "no brand" in run(args=["client", "create", "nobody", "till"]).output
    assert run(args=["brand", "create", "acme", "Acme", "--timezone", "Mars/Olympus"]).exit_code != 0
    assert "12 characters" in run(args=["admin", "create", "x", "X", "--password", "short"]).output
    run(args=["brand", "create", "acme", "Acme"])
    run(args=["store", "create", "acme", "S1", "One", "--region", "east"])
    assert "already" in run(args=["store", "create", "acme", "S1", "Two", "--region", "east"]).output
    assert "no WeCom account" in run(args=["guide", "create", "acme", "S1", "anna", "Anna"]).output
    assert "no store" in run(args=["client", "create", "acme", "till", "--store", "S9"]).output
    with reading():
        assert [brand.code for brand in org.brands()] == ["acme"]
        assert org.admin_user("x") is None


def test_a_console_user_of_one_place_and_a_reset(app) -> None:
    world = make_world()
    run = app.test_cli_runner().invoke
    asked = ["admin", "create", "d1", "Dealer", "--brand", world.brand.code, "--password", "long enough pass"]
    assert run(args=[*asked, "--dealer", "d1"]).exit_code == 0
    made = org.admin_user("d1")
    assert made is not None and (made.role, made.dealer_id) == ("dealer", world.dealer.id)
    assert "already" in run(args=[*asked, "--dealer", "d1"]).output
    assert "at most one" in run(args=[*asked, "--dealer", "d1", "--store", "S001"]).output
    assert "no store" in run(args=["admin", "create", "s", "S", *asked[4:], "--store", "S404"]).output
    assert run(args=["admin", "reset", "d1", "--password", "another long pass"]).exit_code == 0
    session.expire_all()
    again = org.admin_user("d1")
    assert again is not None and again.must_change_password
    assert "no console user" in run(args=["admin", "reset", "nobody", "--password", "another long pass"]).output
