"""After an erasure: callbacks, reads, tills' histories and imports that come late bring nobody back; the human may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import merging
import psycopg
import pytest
from coupon_factories import post
from factories import World, make_world
from invariants import broken
from privacy_shop import publish
from sqlalchemy import func, select

from app.channels import acquisition, groups
from app.channels.events import AuthorizationRevoked
from app.channels.models import Follow
from app.core import clock, hot, ids, outbox
from app.core.db import session
from app.core.inbox import Inbox, receive
from app.core.transaction import transaction
from app.flows import erase
from app.identity.models import IdentityRow
from app.members import queries as members
from app.members.models import Member

API = "/api/miniapp/v1"
PHONE = "13712345678"
CARD = {"card_no": "K100", "phone": PHONE, "store": "S001", "name": "王小美"}


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken() == []


@pytest.fixture
def erased(world: World, tencent, client, run_work) -> Member:  # type: ignore[no-untyped-def]
    """A shopper who added a guide, logged in, bound a phone that has a card, and was then erased at head office."""
    publish(world.brand_id)
    tencent.customer("a", phone=PHONE)
    assert post(client, world, "members", CARD, idempotency_key="open-K100").status_code == 200
    tencent.add("a")
    tencent.deliver()
    run_work()
    assert _login(client, tencent)["bound"]
    with transaction():
        (member,) = session.scalars(select(Member))
        assert session.scalar(select(func.count()).select_from(Follow)) == 1
        erase.erase(brand_id=world.brand_id, member_id=member.member_id, actor="adm_1", reason="本人要求")
    run_work()
    assert _left_over() == (0, 0)
    return member


def _login(client: Any, tencent: Any) -> dict[str, Any]:
    body = {"appid": tencent.appid, "code": tencent.login_code("a")}
    token = client.post(f"{API}/login", json=body).json["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post(f"{API}/phone", json={"code": tencent.phone_code("a")}, headers=headers)
    assert answer.status_code == 200, answer.json
    return {"headers": headers, "bound": answer.json["bound_at"], "id": answer.json["id"]}


def _left_over() -> tuple[int, int]:
    """How many ids and relations are known."""
    return (
        session.scalar(select(func.count()).select_from(IdentityRow)) or 0,
        session.scalar(select(func.count()).select_from(Follow)) or 0,
    )


def _callback(world: World, tencent: Any, change: str, at: Any, key: str, **more: str) -> None:
    """A message of WeCom's that comes now and tells of `at`."""
    payload = {
        "Event": "change_external_contact", "ChangeType": change, "UserID": "guide1",
        "ExternalUserID": tencent.external("a"), "CreateTime": str(int(at.timestamp())), **more,
    }  # fmt: skip
    kind = f"wecom.change_external_contact.{change}"
    assert receive(source=f"wecom:{world.wecom.namespace}", key=key, kind=kind, payload=payload)


def test_late_callbacks_and_what_they_fetch_bring_nobody_back(world: World, tencent, erased: Member, run_work) -> None:  # type: ignore[no-untyped-def]
    before = clock.now() - timedelta(minutes=5)
    for change in ("add_external_contact", "add_half_external_contact", "edit_external_contact", "del_follow_user"):
        _callback(world, tencent, change, before, f"late-{change}", WelcomeCode="CODE")
    run_work()
    assert _left_over() == (0, 0)
    assert session.scalar(select(func.count()).where(Inbox.status == "dead")) == 0


def test_an_edit_after_the_erasure_is_no_act_of_theirs(world: World, tencent, erased: Member, run_work) -> None:  # type: ignore[no-untyped-def]
    _callback(world, tencent, "edit_external_contact", clock.now() + timedelta(minutes=1), "edit")
    run_work()
    assert _left_over() == (0, 0)


def test_adding_a_guide_again_is_their_own_act(world: World, tencent, erased: Member, run_work) -> None:  # type: ignore[no-untyped-def]
    _callback(world, tencent, "add_external_contact", clock.now() + timedelta(minutes=1), "again")
    run_work()
    follow = session.scalars(select(Follow)).one()
    assert follow.person_id != erased.person_id
    assert members.member_of(world.brand_id, follow.person_id) is None, "a contact, and nothing of what was"


def test_a_tills_history_brings_nobody_back_and_the_counter_does(world: World, client, erased: Member) -> None:  # type: ignore[no-untyped-def]
    history = CARD | {"opened_at": "2024-05-01T10:00:00+08:00"}
    late = post(client, world, "members", history, idempotency_key="history-K100")
    assert (late.status_code, late.json["code"]) == (409, "identity_erased")
    other_card = post(client, world, "members", history | {"card_no": "K101"}, idempotency_key="history-K101")
    assert other_card.status_code == 409, "another card of the same phone"
    assert _left_over() == (0, 0)
    again = post(client, world, "members", CARD, idempotency_key="counter-K100")
    assert again.status_code == 200 and again.json["new"]
    assert ids.decode("mbr", again.json["member"]) != erased.member_id


def test_a_mall_that_repeats_itself_brings_nobody_back(world: World, client) -> None:  # type: ignore[no-untyped-def]
    account = {"account": "M-7", "phone": PHONE, "name": "王小美"}
    told = post(client, world, "mall-accounts", account, idempotency_key="mall-told-1").json
    with transaction():
        erase.erase(
            brand_id=world.brand_id, member_id=ids.decode("mbr", told["member"]), actor="adm_1", reason="本人要求"
        )
    again = post(client, world, "mall-accounts", account, idempotency_key="mall-told-2")
    assert (again.status_code, again.json["code"]) == (409, "identity_erased")
    assert _left_over() == (0, 0)
    anew = account | {"account": "M-8", "registered_at": clock.now().isoformat()}
    registered = post(client, world, "mall-accounts", anew, idempotency_key="mall-told-3")
    assert registered.status_code == 200 and registered.json["member"] != told["member"]


def test_who_is_parted_from_somebody_who_left_the_brand_stays_forgotten_there(world: World, client) -> None:  # type: ignore[no-untyped-def]
    """They live on in another brand, which knows their phone; the merge that is taken back named the other one."""
    second, theirs = make_world(), {"card_no": "K200", "phone": "13787654321", "store": "S001"}
    opened = [
        post(client, brand, "members", card, idempotency_key=f"open-{card['card_no']}").json["member"]
        for brand, card in ((world, CARD), (world, theirs), (second, theirs))
    ]
    winner, loser, _ = (ids.decode("mbr", one) for one in opened)
    merging.merge(world, winner, loser)
    with transaction():
        erase.erase(brand_id=world.brand_id, member_id=winner, actor="adm_1", reason="本人要求")
    merging.split(world, loser)
    for card in (CARD, theirs):
        history = card | {"opened_at": "2024-05-01T10:00:00+08:00"}
        late = post(client, world, "members", history, idempotency_key=f"history-{card['card_no']}")
        assert (late.status_code, late.json["code"]) == (409, "identity_erased")
    with transaction():
        assert {row.status for row in session.scalars(select(Member).filter_by(brand_id=world.brand_id))} == {"erased"}


def test_they_come_back_by_themselves_and_begin_anew(world: World, tencent, client, erased: Member, run_work) -> None:  # type: ignore[no-untyped-def]
    back = _login(client, tencent)
    new = ids.decode("mbr", back["id"])
    assert new != erased.member_id
    row = members.member(world.brand_id, new)
    assert row is not None and (row.status, row.name) == ("active", None)
    # News of them is welcome again.
    _callback(world, tencent, "edit_external_contact", clock.now(), "news")
    run_work()
    old = session.get_one(Member, (world.brand_id, erased.member_id), populate_existing=True)
    assert old.status == "erased"


def test_a_phone_taken_back_in_wechat_is_forgotten_and_can_be_given_again(
    world: World,
    tencent,
    client,
    run_work,  # type: ignore[no-untyped-def]
) -> None:
    tencent.customer("a", phone=PHONE)
    first = _login(client, tencent)
    member = ids.decode("mbr", first["id"])
    (openid,) = session.scalars(select(IdentityRow.value).where(IdentityRow.kind == "openid"))
    told = {"brand_id": world.brand_id, "appid": tencent.appid, "openid": openid, "at": 1}
    with transaction():
        outbox.emit(AuthorizationRevoked(**told, kind="user_authorization_revoke", revoke_info=["204"]))
        outbox.emit(AuthorizationRevoked(**told | {"openid": "nobody"}, kind="x", revoke_info=["201"]))
    run_work()
    row = members.member(world.brand_id, member)
    assert row is not None and row.phone_tail == PHONE[-4:], "a place was taken back, which we never had"
    for _ in range(2):
        with transaction():
            outbox.emit(AuthorizationRevoked(**told, kind="user_authorization_revoke", revoke_info=["201"]))
        run_work()
    row = members.member(world.brand_id, member)
    assert row is not None and (row.status, row.phone_tail, row.bound_at) == ("active", None, None)
    assert set(session.scalars(select(IdentityRow.kind))) == {"openid", "unionid"}
    session.remove()
    again = _login(client, tencent)
    assert ids.decode("mbr", again["id"]) == member and again["bound"]


def test_who_gives_up_their_account_with_the_mini_program_is_erased(world: World, tencent, client, run_work) -> None:  # type: ignore[no-untyped-def]
    tencent.customer("a", phone=PHONE)
    member = ids.decode("mbr", _login(client, tencent)["id"])
    (openid,) = session.scalars(select(IdentityRow.value).where(IdentityRow.kind == "openid"))
    payload = {
        "Event": "user_authorization_cancellation", "FromUserName": "gh_x", "OpenID": openid, "AppID": tencent.appid,
        "CreateTime": "1795000000",
    }  # fmt: skip
    kind = "miniprogram.user_authorization_cancellation"
    assert receive(source=f"miniprogram:{tencent.appid}", key="cancelled", kind=kind, payload=payload)
    run_work()
    row = members.member(world.brand_id, member)
    assert row is not None and row.status == "erased"
    assert _left_over() == (0, 0)


def test_lists_that_name_the_erased_keep_nothing_of_them(world: World, tencent, erased: Member) -> None:  # type: ignore[no-untyped-def]
    corp, contact, now = world.wecom.namespace, tencent.external("a"), clock.now()
    with transaction():
        groups.put_group_chat(
            brand_id=world.brand_id,
            corp_id=corp,
            chat_id="chat1",
            name="会员群",
            owner="guide1",
            notice="",
            created_at=now,
            member_version="1",
            members=[groups.Present(contact, 2, now, 3), groups.Present("wm_else", 2, now, 3)],
            at=now,
        )
        groups.leave_group_chat(
            brand_id=world.brand_id, corp_id=corp, chat_id="chat1", member_keys=[contact], quit_scene=0, at=now
        )
        acquisition.note_arrival(
            event_id=1,
            brand_id=world.brand_id,
            corp_id=corp,
            kind="open_profile",
            at=now,
            link_id=None,
            userid="guide1",
            external_userid=contact,
            state=None,
            facts={"ChatId": contact},
        )
    assert [one.member_key for one in groups.present_members(corp, "chat1")] == ["wm_else"]
    with psycopg.connect(hot._conninfo) as connection:
        for table in ("group_chat_member", "acquisition_event"):
            rows = connection.execute(f"SELECT to_jsonb(one)::text FROM {table} AS one").fetchall()
            assert rows and not any(contact in row for (row,) in rows), table
