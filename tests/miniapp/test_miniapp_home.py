"""The shopper's home: one statement beside knowing who asks, and it says what every domain says."""

from __future__ import annotations

from console_world import PHONE, make_busy
from statements import statements

from app.core.transaction import transaction
from app.coupons import queries as coupons
from app.dashboards.queries import home
from app.flows import people
from app.identity.rules import Identity
from app.members import queries as members
from app.miniapp import auth
from app.points import queries as points
from app.tiers import queries as tiers


def _me(client, busy, person_id: int):
    token, _ = auth.issue(brand_id=busy.world.brand_id, person_id=person_id, openid="o-1")
    return client.get("/api/miniapp/v1/me", headers={"Authorization": f"Bearer {token}"})


def test_home_says_what_the_domains_say(app, client) -> None:
    busy = make_busy()
    key = (busy.world.brand_id, busy.member)
    with transaction():
        member = members.member(*key)
        tier, balances, counts = tiers.current(*key), points.balances(*key), coupons.counts(*key)
    me = _me(client, busy, member.person_id).json
    assert me["member"]["number"] == member.number and me["member"]["name"] == "王小明"
    assert me["member"]["phone"] == f"{PHONE[:3]}****{PHONE[-4:]}" and me["bound"] is True
    assert me["tier"]["code"] == tier.code and me["tier"]["next_name"] == tier.next_name
    assert (me["points"], me["growth"]) == (balances["points"], balances["growth"])
    assert me["coupons"] == counts


def test_home_is_one_statement(app, client) -> None:
    busy = make_busy()
    with transaction():
        person = members.member(busy.world.brand_id, busy.member).person_id
    _me(client, busy, person)
    with statements() as sent:
        assert _me(client, busy, person).status_code == 200
    assert len([one for one in sent if "coupon" in one]) == 1
    assert len(sent) <= 3, sent  # whether the token was revoked, who it is, and the home


def test_the_phone_that_was_bound_last_by_any_id_of_the_person(app, client) -> None:
    busy = make_busy()
    with transaction():
        other = people.link(brand_id=busy.world.brand_id, ids=[Identity("unionid", "open1", "u-1")], source="test")
        people.link(
            brand_id=busy.world.brand_id,
            ids=[
                Identity("unionid", "open1", "u-1"),
                Identity("external_userid", busy.world.wecom.namespace, "wm_customer_1"),
            ],
            source="test",
        )
        person = members.member(busy.world.brand_id, busy.member).person_id
    assert _me(client, busy, other.person_id).json["member"]["phone"] == f"{PHONE[:3]}****{PHONE[-4:]}"
    assert home.of(busy.world.brand_id, person, 5) is None
