"""What each kind of callback leads to, through our hook, our workers and our gateways."""

from __future__ import annotations

from typing import Any

import pytest
from callback_day import OFFICIAL, official_account
from people import make_member
from sqlalchemy import select

from app.channels import followers, groups
from app.channels.codes import commands as codes
from app.channels.codes.models import Arrival
from app.channels.models import Follow
from app.channels.state import AcquisitionBalance, AcquisitionEvent, AcquisitionLink, CorpTag, FollowTag
from app.core import clock
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows import people
from app.identity import queries as identity
from app.identity.models import IdentityRow
from app.identity.rules import Identity
from app.members import commands as members
from app.members.models import GuideHistory, Member
from app.org.models import Guide, Staff, Store
from app.sop import commands as sop
from app.sop.models import GuideTask
from app.sop.rules import Step


@pytest.fixture
def happen(tencent: Any, run_work: Any) -> Any:
    """Deliver what waits and work it off; nothing may be left lying."""

    def happen() -> None:
        assert set(tencent.deliver()) <= {200}
        run_work()
        session.remove()

    return happen


def one(model: Any, *where: Any) -> Any:
    return session.scalars(select(model).where(*where).execution_options(populate_existing=True)).one()


def events(name: str) -> list[dict[str, Any]]:
    return [row.payload for row in session.scalars(select(Outbox).where(Outbox.name == name).order_by(Outbox.id))]


def calls(tencent: Any, api: str) -> int:
    return len([row for row in tencent.engine.journal.after(0, 5000, "call") if row["name"].endswith(api)])


def stores_with_departments(world: Any) -> None:
    with transaction():
        for number, store in enumerate(session.scalars(select(Store).order_by(Store.code)), 2):
            store.department_id = number


def task_of(world: Any, guide: Guide, action: str = "call") -> tuple[int, int]:
    """An open task of the guide: (member id, task id)."""
    with transaction():
        member_id = make_member(world, guide=guide, store=world.store)
        sop.save(
            brand_id=world.brand_id,
            code="first",
            name="首次",
            trigger={"event": "members.bound"},
            steps=[Step(action=action, title="回访", day_offset=0, deadline_hours=24)],
        )
        member = {"brand_id": world.brand_id, "member_id": member_id}
        sop.start(**member, trigger="members.bound", at=clock.now(), guide_id=guide.id, store_id=guide.store_id)
    return member_id, session.scalars(select(GuideTask.task_id)).one()


def test_a_group_is_read_when_it_changes_and_not_when_we_know_who_left(tencent, happen) -> None:
    people = [tencent.customer(name) for name in ("anna", "ben", "carl")]
    chat = tencent.engine.groups.create(tencent.corp_id, "guide1", "会员群", people)
    happen()
    assert len(groups.present_members(tencent.corp_id, chat.chat_id)) == 4
    read = calls(tencent, "groupchat/get")
    tencent.engine.groups.leave(chat.chat_id, [tencent.external("ben")], removed=True)
    happen()
    left = groups.present_members(tencent.corp_id, chat.chat_id)
    assert tencent.external("ben") not in {member.member_key for member in left} and len(left) == 3
    assert calls(tencent, "groupchat/get") == read
    assert groups.group_chat(tencent.corp_id, chat.chat_id).member_version == chat.member_version
    # A callback that got lost shows in the versions, and the group is read again.
    tencent.engine.groups.leave(chat.chat_id, [tencent.external("carl")])
    tencent.waiting.clear()
    tencent.engine.groups.leave(chat.chat_id, [tencent.external("anna")])
    happen()
    assert [member.member_key for member in groups.present_members(tencent.corp_id, chat.chat_id)] == ["guide1"]
    tencent.engine.groups.dismiss(chat.chat_id)
    happen()
    assert groups.group_chat(tencent.corp_id, chat.chat_id).dismissed_at is not None


def test_a_deleted_tag_group_takes_its_tags_and_who_bore_them(tencent, happen) -> None:
    gold, silver = tencent.engine.office.add_tags(tencent.corp_id, "等级", ["金", "银"])
    (new,) = tencent.engine.office.add_tags(tencent.corp_id, "来源", ["新"])
    tencent.add("anna")
    tencent.engine.contacts.edit(tencent.corp_id, "guide1", tencent.customer("anna"), tags=[gold, new])
    happen()
    assert set(session.scalars(select(FollowTag.tag_id))) == {gold, new}
    group = next(group.group_id for group in tencent.engine.world.tag_groups if group.group_name == "等级")
    tencent.engine.office.delete_tag(tencent.corp_id, group)
    happen()
    standing = set(session.scalars(select(CorpTag.tag_id).where(CorpTag.deleted_at.is_(None))))
    assert standing == {new} and set(session.scalars(select(FollowTag.tag_id))) == {new}
    assert [event["tag_ids"] for event in events("channels.corp_tags_dropped")] == [sorted([gold, silver])]


def test_new_staff_of_a_stores_department_become_its_guides_and_leaders_its_managers(tencent, world, happen) -> None:
    stores_with_departments(world)
    office = tencent.engine.office
    for number in (2, 3):
        office.put_department(tencent.corp_id, {"id": number, "name": f"门店{number}"})
    office.put_staff(tencent.corp_id, {"userid": "neu", "name": "新人", "departments": [2]})
    tencent.add("anna", userid="neu")
    happen()
    guide = one(Guide, Guide.userid == "neu")
    assert (guide.store_id, guide.role, guide.status) == (world.stores[0].id, "guide", "active")
    assert one(Follow).guide_id == guide.id
    office.put_staff(tencent.corp_id, {"userid": "neu", "departments": [3]}, leads=[3])
    happen()
    guide = one(Guide, Guide.userid == "neu")
    assert (guide.store_id, guide.role) == (world.stores[1].id, "store_manager")
    assert events("org.guide_moved")[0]["store_id"] == world.stores[1].id


def test_a_renamed_guide_stays_who_they_are(tencent, world, happen) -> None:
    tencent.add("anna")
    happen()
    tencent.add("ben")  # told of the old userid, and delivered after the renaming
    late, tencent.waiting = tencent.waiting, []
    tencent.engine.world.advance(5)
    tencent.engine.office.rename_staff(tencent.corp_id, "guide1", "wang.xiaomei")
    happen()
    tencent.waiting = late
    happen()
    guide = one(Guide, Guide.id == world.guide.id)
    assert (guide.userid, guide.status) == ("wang.xiaomei", "active")
    follows = session.scalars(select(Follow)).all()
    assert {(row.userid, row.guide_id) for row in follows} == {("wang.xiaomei", guide.id)} and len(follows) == 2


def test_who_came_to_a_guide_by_a_code_is_theirs_under_another_userid(tencent, world, happen) -> None:
    with transaction():
        codes.create_code(brand_id=world.brand_id, name="店门", store_id=world.store.id, state="door")
    tencent.add("anna", state="door")
    happen()
    tencent.add("ben", state="door")
    tencent.engine.world.advance(1)
    # The renaming is here before what ben's addition leads to is worked off.
    tencent.engine.office.rename_staff(tencent.corp_id, "guide1", "wang.xiaomei")
    happen()
    assert [row.userid for row in session.scalars(select(Arrival))] == ["wang.xiaomei"] * 2
    tencent.engine.world.advance(1)
    tencent.unfollow("anna", userid="wang.xiaomei")
    tencent.delete("ben", userid="wang.xiaomei")
    happen()
    assert all(row.lost_at is not None for row in session.scalars(select(Arrival)))


@pytest.mark.parametrize("by", ["deleted", "left"])
def test_the_tasks_of_a_guide_who_leaves_go_to_a_colleague(tencent, world, happen, by) -> None:
    task_of(world, world.guide)
    if by == "deleted":
        tencent.engine.office.delete_staff(tencent.corp_id, "guide1")
    else:
        tencent.engine.office.put_staff(tencent.corp_id, {"userid": "guide1", "status": 5})
    happen()
    assert one(Guide, Guide.id == world.guide.id).status == "left"
    assert one(GuideTask).guide_id == world.guides[1].id
    assert one(Staff, Staff.userid == "guide1").status == 5
    assert len(events("org.guide_left")) == 1


def test_the_customers_of_a_guide_who_left_go_to_whom_they_add_next(tencent, world, happen) -> None:
    anna = tencent.customer("anna")
    tencent.add("anna")
    happen()
    with transaction():
        person_id = one(Follow).person_id
        member_id = members.join(brand_id=world.brand_id, person_id=person_id, source="test")
        people.adopt(brand_id=world.brand_id, person_id=person_id)
    tencent.engine.office.delete_staff(tencent.corp_id, "guide1")
    happen()
    assert one(Member).guide_id == world.guide.id  # whose customer they were stays written
    tencent.engine.world.advance(2)
    tencent.engine.contacts.add(tencent.corp_id, "guide2", [anna])
    happen()
    assert one(Member).guide_id == world.guides[1].id
    history = session.scalars(select(GuideHistory.guide_id).order_by(GuideHistory.from_at)).all()
    assert list(history) == [world.guide.id, world.guides[1].id] and one(Member).member_id == member_id


def test_a_button_on_a_card_finishes_the_task_and_changes_the_card(tencent, world, happen) -> None:
    task_of(world, world.guide)
    with transaction():
        task = session.scalars(select(GuideTask)).one()
        task.deadline_at = task.next_at = task.due_at
        sop.remind(limit=10)
    happen()
    cards = [row.content["template_card"] for row in tencent.sent("app") if "template_card" in row.content]
    (card,) = cards
    tencent.engine.fans.press(tencent.corp_id, "guide1", card["task_id"], card["button_list"][0]["key"])
    happen()
    assert one(GuideTask).status == "done"
    shown = tencent.engine.world.value(f"card_now|{tencent.corp_id}|{card['task_id']}")
    assert shown == {"replace_name": "已完成"}


def test_followers_of_the_official_account_are_known_people(tencent, world, happen) -> None:
    official_account(tencent)
    anna = tencent.customer("anna")
    tencent.add("anna")
    tencent.engine.fans.follow(OFFICIAL, anna, scene="door")
    happen()
    row = followers.official_follow(OFFICIAL, anna.openids[OFFICIAL])
    assert (row.subscribed, row.scene, row.active_at) == (True, "door", None)
    # The unionid was asked, and says that it is the guide's customer.
    mine = identity.person_of(Identity("openid", OFFICIAL, anna.openids[OFFICIAL]))
    assert mine == identity.person_of(Identity("external_userid", tencent.corp_id, tencent.external("anna")))
    tencent.engine.fans.click(OFFICIAL, anna)
    tencent.engine.world.advance(2)
    tencent.engine.fans.unfollow(OFFICIAL, anna)
    happen()
    row = followers.official_follow(OFFICIAL, anna.openids[OFFICIAL])
    assert row.subscribed is False and row.active_at is not None
    assert [len(events(f"channels.official_{what}")) for what in ("followed", "unfollowed")] == [1, 1]


@pytest.mark.parametrize("late", [False, True], ids=["in order", "backwards"])
def test_who_followed_by_a_code_came_by_it_whatever_was_told_first(tencent, world, happen, late) -> None:
    official_account(tencent)
    with transaction():
        codes.create_code(brand_id=world.brand_id, name="店门", store_id=world.store.id, state="door")
    fans, anna = tencent.engine.fans, tencent.customer("anna")
    moments = []
    for _ in range(2):
        moments.append(int(tencent.engine.world.now()))
        fans.follow(OFFICIAL, anna, scene="door")
        tencent.engine.world.advance(1)
        fans.click(OFFICIAL, anna)
        tencent.engine.world.advance(7200)
        fans.unfollow(OFFICIAL, anna)
        tencent.engine.world.advance(60)
    assert len(tencent.waiting) == 6
    if late:
        tencent.waiting.reverse()
        for event in list(tencent.waiting):
            tencent.waiting = [event, event]
            happen()
    happen()
    assert [int(row.at.timestamp()) for row in session.scalars(select(Arrival).order_by(Arrival.at))] == moments
    row = followers.official_follow(OFFICIAL, anna.openids[OFFICIAL])
    assert (row.subscribed, row.scene) == (False, "door")


def test_what_a_user_allows_is_counted_and_a_refusal_ends_it(tencent, world, happen) -> None:
    openid = tencent.customer("anna").openids[tencent.appid]
    for _ in range(2):
        tencent.engine.messages.subscribe(tencent.appid, openid, {"tmpl": True, "other": False})
        tencent.engine.world.advance(2)
    happen()
    assert followers.messages_left(tencent.appid, openid, "tmpl") == 2
    assert followers.messages_left(tencent.appid, openid, "other") == 0
    tencent.engine.messages.subscribe(tencent.appid, openid, {"tmpl": False})
    happen()
    assert followers.messages_left(tencent.appid, openid, "tmpl") == 0


def test_a_user_who_takes_data_back_is_told_of_by_their_own_openid(tencent, world, happen) -> None:
    anna = tencent.customer("anna")
    tencent.engine.fans.revoke(tencent.appid, anna)
    happen()
    assert events("channels.authorization_revoked") == []  # nobody we know
    with transaction():
        make_member(world)
        openid = session.scalars(select(IdentityRow.value).where(IdentityRow.kind == "openid")).one()
        person = identity.person_of(Identity("openid", tencent.appid, openid))
    anna.openids[tencent.appid] = openid
    tencent.engine.world.advance(2)
    tencent.engine.fans.revoke(tencent.appid, anna, info="201")
    happen()
    (event,) = events("channels.authorization_revoked")
    assert (event["person_id"], event["revoke_info"]) == (person, ["201"])


def test_acquisition_links_and_their_quota(tencent, happen) -> None:
    fans, corp_id = tencent.engine.fans, tencent.corp_id
    fans.acquisition(corp_id, "balance_low")
    fans.acquisition(corp_id, "friend_request", LinkId="caw1", State="s")
    fans.acquisition(corp_id, "customer_start_chat", UserID="guide1", ExternalUserID="wm1")
    happen()
    assert one(AcquisitionBalance).state == "low" and one(AcquisitionLink).status == "ok"
    assert [row.kind for row in session.scalars(select(AcquisitionEvent).order_by(AcquisitionEvent.kind))] == [
        "customer_start_chat",
        "friend_request",
    ]
    tencent.engine.world.advance(2)
    fans.acquisition(corp_id, "delete_link", LinkId="caw1")
    fans.acquisition(corp_id, "quota_expire_soon", ExpireTime="1900000000", ExpireQuotaNum="7")
    happen()
    assert one(AcquisitionLink).status == "deleted"
    assert (one(AcquisitionBalance).state, one(AcquisitionBalance).expiring) == ("expiring", 7)


def test_a_transfer_that_failed_is_told_and_changes_no_relation(tencent, happen) -> None:
    tencent.add("anna")
    happen()
    told = tencent.engine.contacts.event("transfer_fail", "guide2", tencent.external("anna"))
    tencent.engine.world.emit(tencent.corp_id, told | {"FailReason": "customer_refused"})
    happen()
    assert [event["reason"] for event in events("channels.transfer_failed")] == ["customer_refused"]
    assert [(row.userid, row.status) for row in session.scalars(select(Follow))] == [("guide1", "active")]
