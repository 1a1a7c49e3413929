"""Masked values: each look is counted, limited by role and day, written down, audited, and answered once."""

from __future__ import annotations

from typing import Any

import pytest
from at_once import at_once
from console_world import bearer, make_admins
from invariants import broken
from people import make_follow, make_member
from privacy_shop import Shop, sign_in_guide
from sqlalchemy import func, select, update

from app.core import ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.members import queries as members
from app.privacy import commands as privacy
from app.privacy import rules
from app.privacy.models import Reveal, RevealQuota

PHONE = "13712340001"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("privacy.") == []


@pytest.fixture
def ask(client, shop: Shop):  # type: ignore[no-untyped-def]
    url = f"/api/admin/v1/members/{ids.encode('mbr', shop.member)}/reveals"

    def post(field: str = "phone", admin: Any = None, reason: str = "核实会员身份") -> Any:
        headers = bearer(admin or shop.world.admin)
        return client.post(url, json={"field": field, "reason": reason}, headers=headers)

    return post


def test_a_value_is_answered_once_and_no_cache_keeps_it(ask, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    answer = ask()
    assert answer.status_code == 200
    assert answer.json == {"field": "phone", "value": PHONE, "most": 50}
    assert answer.headers["Cache-Control"] == "no-store" and "ETag" not in answer.headers
    look = session.scalars(select(Reveal)).one()
    assert (look.actor, look.role, look.field, look.reason) == (
        ids.encode("adm", shop.world.admin.id), "hq", "phone", "核实会员身份",
    )  # fmt: skip
    entry = session.scalars(select(AuditLog).where(AuditLog.action == "members.revealed")).one()
    assert entry.subject == ids.encode("mbr", shop.member)
    assert PHONE not in str(entry.data) and "核实" not in str(entry.data)


def test_a_reason_is_needed_and_what_is_not_there_costs_nothing(ask, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    assert ask(reason=" ").status_code == 422
    assert ask("openid").status_code == 422
    missing = ask("birthday")
    assert (missing.status_code, missing.json["code"]) == (404, "nothing_to_reveal")
    assert session.scalar(select(func.count()).select_from(RevealQuota)) == 0


def test_the_days_limit_of_the_role_holds(ask, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    assert ask().status_code == 200
    with transaction():
        session.execute(update(RevealQuota).values(used=rules.REVEALS_A_DAY["hq"]))
    refused = ask("name")
    assert (refused.status_code, refused.json["code"]) == (429, "reveal_limit")
    assert "王小美" not in refused.get_data(as_text=True)
    assert session.scalar(select(func.count()).select_from(Reveal)) == 1


def test_what_lies_outside_the_scope_is_not_there(ask, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    admins = make_admins(shop.world)
    assert ask(admin=admins["store"]).status_code == 404, "the second store's manager"
    assert session.scalar(select(func.count()).select_from(Reveal)) == 0


def _burst(app: Any, shop: Shop, count: int) -> list[Any]:
    member = members.member(shop.brand, shop.member)
    assert member is not None
    session.remove()

    def look() -> str:
        with transaction():
            return privacy.reveal(member=member, field="phone", reason="并发查看", actor="gde_1", role="guide")

    return at_once(app, [look] * count)


def test_a_burst_sees_no_more_than_the_limit(app, shop: Shop, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(rules, "REVEALS_A_DAY", {"guide": 3})
    told = _burst(app, shop, 8)
    assert sorted(told) == [PHONE] * 3 + ["reveal_limit"] * 5


def test_without_the_guard_a_burst_sees_more(app, shop: Shop, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The twin: read, decide, then write lets everybody of the burst through."""
    most = 3

    def check_then_write(member: Any, actor: str) -> str:
        used = session.scalar(select(func.count()).select_from(Reveal).where(Reveal.actor == actor)) or 0
        if used >= most:
            return "reveal_limit"
        session.add(
            Reveal(
                brand_id=member.brand_id,
                member_id=member.member_id,
                actor=actor,
                role="guide",
                field="phone",
                reason="",
            )
        )
        return "seen"

    member = members.member(shop.brand, shop.member)
    session.remove()

    def look() -> str:
        with transaction():
            return check_then_write(member, "gde_2")

    over = 0
    for _ in range(10):
        over = max(over, at_once(app, [look] * 8).count("seen"))
    assert over > most
    with transaction():
        session.query(Reveal).delete()


def test_a_guide_sees_her_own_customers_phone_and_nobody_elses(client, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    world = shop.world
    with transaction():
        make_follow(world, world.guide, external_userid="wm_mine", person_id=shop.person)
        other = make_member(world, guide=world.guides[1])
        stranger = members.member(world.brand_id, other)
        assert stranger is not None
        make_follow(world, world.guides[1], external_userid="wm_hers", person_id=stranger.person_id)
    sign_in_guide(client, world.guide)
    shown = client.get("/api/sidebar/v1/customers/wm_mine")
    assert shown.status_code == 200, shown.json
    assert shown.json["member"]["phone"] == "137****0001" and PHONE not in shown.get_data(as_text=True)
    body = {"field": "phone", "reason": "客户要求回电"}
    answer = client.post("/api/sidebar/v1/customers/wm_mine/reveals", json=body)
    assert (answer.status_code, answer.json["value"]) == (200, PHONE)
    assert "no-store" in answer.headers["Cache-Control"]
    assert client.post("/api/sidebar/v1/customers/wm_hers/reveals", json=body).status_code == 404
    with transaction():
        session.execute(update(RevealQuota).values(used=rules.REVEALS_A_DAY["guide"]))
    assert client.post("/api/sidebar/v1/customers/wm_mine/reveals", json=body).status_code == 429
