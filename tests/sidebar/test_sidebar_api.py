"""What a guide sees and does beside a chat, and what another guide does not."""

from __future__ import annotations

from datetime import UTC, datetime

from invariants import broken
from people import make_follow, make_member
from statements import statements

from app.channels import commands as channels
from app.content import commands as content
from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons import queries as coupons
from app.members import commands as members_commands
from app.members import queries as members


def _evidence(external_userid: str = "wm-1") -> dict:
    return {"evidence": {"kind": "sidebar_send", "msgtype": "text", "external_userid": external_userid}}


def test_who_is_this(counter) -> None:
    counter.sign_in(counter.world.guide)
    seen = counter.get("customers/wm-1").get_json()
    member = seen["member"]
    assert (seen["name"], seen["avatar"]) == ("阿宁", None)
    assert (member["name"], member["phone"], member["home_store"], member["guide"]) == (
        "王小美",
        "139****5670",
        "一号店",
        "导购1",
    )
    assert (member["points"], member["growth"], member["tags"], member["bound"]) == (0, 0, ["敏感肌"], True)
    assert [task["title"] for task in seen["tasks"]] == ["送上新人礼", "电话回访"]
    assert {"绑定手机号", "添加企业微信", "成为会员"} <= {one["title"] for one in member["timeline"]}
    assert "13912345670" not in counter.get("customers/wm-1").get_data(as_text=True)


def test_a_customer_of_somebody_else_is_unknown(counter) -> None:
    counter.sign_in(counter.world.guides[1])
    foreign, missing = counter.get("customers/wm-1"), counter.get("customers/wm-none")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.get_json()["code"] == missing.get_json()["code"] == "customer_unknown"
    assert counter.get("materials", external_userid="wm-1").status_code == 404
    assert counter.get("coupons", external_userid="wm-1").status_code == 404
    assert counter.get(f"tasks/{counter.task_id}").get_json()["code"] == "task_unknown"
    assert counter.post(f"tasks/{counter.task_id}/complete", _evidence()).status_code == 404
    give = {"campaign": ids.encode("cmp", counter.public_campaign)}
    assert counter.post("customers/wm-1/coupons", give, **{"Idempotency-Key": "k" * 8}).status_code == 404


def test_a_lost_customer_is_unknown(counter) -> None:
    counter.sign_in(counter.world.guide)
    guide = counter.world.guide
    with transaction():
        channels.mark_lost(
            corp_id=guide.corp_id,
            userid=guide.userid,
            external_userid="wm-1",
            at=datetime(2100, 1, 1, tzinfo=UTC),
            deleted=False,
        )
    assert counter.get("customers/wm-1").status_code == 404


def test_a_customer_who_is_no_member(counter) -> None:
    with transaction():
        stranger = make_member(counter.world)
        person = members.member(counter.world.brand_id, stranger).person_id
        make_follow(counter.world, counter.world.guide, external_userid="wm-2", person_id=person, name="路人")
        members.member(counter.world.brand_id, stranger).status = "erased"
        session.flush()
    counter.sign_in(counter.world.guide)
    seen = counter.get("customers/wm-2").get_json()
    assert (seen["name"], seen["member"], seen["tasks"]) == ("路人", None, [])
    give = {"campaign": ids.encode("cmp", counter.public_campaign)}
    answer = counter.post("customers/wm-2/coupons", give, **{"Idempotency-Key": "k" * 8})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "not_a_member")


def test_a_task_from_list_to_coupon(counter, run_work) -> None:
    counter.sign_in(counter.world.guide)
    page = counter.get("tasks", limit=1).get_json()
    rest = counter.get("tasks", cursor=page["next_cursor"]).get_json()
    assert sorted(one["title"] for one in page["items"] + rest["items"]) == ["电话回访", "送上新人礼"]
    assert rest["next_cursor"] is None

    task = counter.get(f"tasks/{counter.task_id}").get_json()
    assert task["customer"] == {"external_userid": "wm-1", "name": "阿宁", "avatar": None}
    words = "阿宁您好，新人券送给您。一号店 导购1"
    assert task["material"]["text"] == words
    assert task["material"]["messages"] == [{"msgtype": "text", "text": {"content": words}}]
    assert task["coupon"] == {
        "id": ids.encode("cmp", counter.campaign),
        "name": "新人券",
        "summary": "满¥300减¥50",
    }

    refused = counter.post(f"tasks/{counter.task_id}/complete", {"evidence": {"kind": "note", "note": "发过了"}})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "evidence_invalid")
    with transaction():
        other = make_member(counter.world)
        person = members.member(counter.world.brand_id, other).person_id
        make_follow(counter.world, counter.world.guide, external_userid="wm-3", person_id=person)
    refused = counter.post(f"tasks/{counter.task_id}/complete", _evidence("wm-3"))
    assert refused.get_json()["code"] == "evidence_invalid"

    done = [counter.post(f"tasks/{counter.task_id}/complete", _evidence()).get_json() for _ in range(2)]
    assert [one["new"] for one in done] == [True, False]
    run_work()
    with transaction():
        (card,) = coupons.wallet(counter.world.brand_id, counter.member_id)
        assert card.source == "sop"
    seen = counter.get("customers/wm-1").get_json()["member"]
    assert (seen["usable_coupons"], seen["coupons"][0]["summary"]) == (1, "满¥300减¥50")
    assert [one["title"] for one in counter.get("tasks", status="done").get_json()["items"]] == ["送上新人礼"]
    figures = counter.get("performance", days=7).get_json()
    assert (figures["tasks_done"], figures["new_customers"], len(figures["days"])) == (1, 2, 7)
    assert figures["days"][-1]["tasks_done"] == 1


def test_a_call_is_proved_by_a_note(counter) -> None:
    counter.sign_in(counter.world.guide)
    call = next(one for one in counter.get("tasks").get_json()["items"] if one["action"] == "call")
    assert counter.get(f"tasks/{call['id']}").get_json()["material"] is None
    answer = counter.post(f"tasks/{call['id']}/complete", {"evidence": {"kind": "note", "note": "周六到店"}})
    assert answer.get_json() == {"id": call["id"], "status": "done", "new": True}


def test_material_is_addressed_to_the_customer(counter) -> None:
    counter.sign_in(counter.world.guide)
    items = counter.get("materials", external_userid="wm-1").get_json()["items"]
    assert [one["kind"] for one in items] == ["link", "text"]
    (card,) = items[0]["messages"]
    assert (card["msgtype"], card["news"]["link"]) == ("news", "https://example.com/n")
    assert items[1]["text"].startswith("阿宁您好")
    assert counter.get("materials").get_json()["items"][1]["text"].startswith("亲爱的顾客您好")


def test_a_card_follows_its_words_and_has_whole_addresses(counter) -> None:
    with transaction():
        content.save_material(
            brand_id=counter.world.brand_id,
            code="card",
            kind="miniprogram",
            title="{name}的礼券",
            body="请查收",
            page="pages/wallet/index",
            image_url="/static/demo/card.png",
        )
    counter.sign_in(counter.world.guide)
    words, card = counter.get("materials", external_userid="wm-1").get_json()["items"][0]["messages"]
    assert words == {"msgtype": "text", "text": {"content": "请查收"}}
    assert card["miniprogram"] == {
        "appid": counter.tencent.appid,
        "title": "阿宁的礼券",
        "page": "pages/wallet/index",
        "imgUrl": "http://127.0.0.1:8000/static/demo/card.png",
    }


def test_a_coupon_is_given_once_and_within_the_limit(counter) -> None:
    counter.sign_in(counter.world.guide)
    (offer,) = counter.get("coupons", external_userid="wm-1").get_json()["items"]
    assert (offer["summary"], offer["left"], offer["limit_reached"]) == ("满¥300减¥50", 10, False)
    body, key = {"campaign": offer["id"]}, {"Idempotency-Key": "first-press"}
    given = [counter.post("customers/wm-1/coupons", body, **key) for _ in range(2)]
    assert [one.status_code for one in given] == [201, 201]
    assert given[0].get_json() == given[1].get_json()
    hidden = {"campaign": ids.encode("cmp", counter.campaign)}
    for sent, headers, code in (
        (hidden, key, "idempotency_key_reused"),
        (hidden, {"Idempotency-Key": "second-press"}, "campaign_unknown"),
        (body, {"Idempotency-Key": "third-press"}, "limit_reached"),
        (body, {}, "idempotency_key_missing"),
        ({"campaign": "cmp_nonsense"}, {"Idempotency-Key": "fourth-press"}, "not_found"),
    ):
        assert counter.post("customers/wm-1/coupons", sent, **headers).get_json()["code"] == code
    (offer,) = counter.get("coupons", external_userid="wm-1").get_json()["items"]
    assert (offer["left"], offer["limit_reached"]) == (9, True)
    with transaction():
        (card,) = coupons.wallet(counter.world.brand_id, counter.member_id)
        assert (card.source, offer["left_today"]) == ("guide", None)


def test_a_guide_gives_what_the_day_allows_and_sees_what_is_left(counter) -> None:
    world, limited = counter.world, counter.campaign  # not one that members claim
    with transaction():
        commands.limit_guides(brand_id=world.brand_id, campaign_id=limited, per_day=1, changed_by="adm_1")
        other = make_member(world, guide=world.guide)
        found = members.member(world.brand_id, other)
        make_follow(world, world.guide, external_userid="wm-9", person_id=found.person_id)
    counter.sign_in(world.guide)
    left = {one["id"]: one["left_today"] for one in counter.get("coupons").get_json()["items"]}
    public = ids.encode("cmp", counter.public_campaign)
    assert left == {ids.encode("cmp", limited): 1, public: None}
    body = {"campaign": ids.encode("cmp", limited)}
    assert counter.post("customers/wm-9/coupons", body, **{"Idempotency-Key": "press-0001"}).status_code == 201
    again = counter.post("customers/wm-9/coupons", body, **{"Idempotency-Key": "press-0001"})
    assert again.status_code == 201  # pressed twice, counted once
    refused = counter.post("customers/wm-1/coupons", body, **{"Idempotency-Key": "press-0002"}).get_json()
    assert (refused["code"], refused["data"]["per_day"]) == ("guide_quota_reached", 1)
    with transaction():
        commands.limit_guides(brand_id=world.brand_id, campaign_id=limited, per_day=0, changed_by="adm_1")
    assert [one["id"] for one in counter.get("coupons").get_json()["items"]] == [public]
    assert counter.post("customers/wm-9/coupons", body, **{"Idempotency-Key": "press-0003"}).status_code == 404
    assert broken("coupons.") == []


def test_what_is_asked_wrongly_is_said_so(counter) -> None:
    counter.sign_in(counter.world.guide)
    bad = counter.get("tasks", cursor="bm90LWpzb24=")
    assert (bad.status_code, bad.get_json()["code"]) == (422, "cursor_invalid")
    assert counter.get("tasks", status="everything").status_code == 422
    assert counter.get("performance", days=3).status_code == 422


def test_the_manager_sees_the_stores_tasks_and_may_do_them(counter) -> None:
    manager = counter.world.guides[1]
    with transaction():
        manager.role = "store_manager"
        session.merge(manager)
    counter.sign_in(counter.world.guide)
    assert counter.get("tasks", of="store").get_json()["code"] == "managers_only"
    counter.client.delete_cookie("siyu_sidebar")
    counter.sign_in(manager)
    assert counter.get("tasks").get_json()["items"] == []
    items = counter.get("tasks", of="store").get_json()["items"]
    assert [(one["title"], one["guide"]) for one in items] == [("送上新人礼", "导购1"), ("电话回访", "导购1")]
    call = items[1]["id"]
    assert counter.get(f"tasks/{call}").get_json()["customer"] is None
    done = counter.post(f"tasks/{call}/complete", {"evidence": {"kind": "note", "note": "店长已回访"}})
    assert done.get_json()["new"] is True


def test_a_list_costs_the_same_however_long(counter, run_work) -> None:
    counter.sign_in(counter.world.guide)

    def asked() -> int:
        with statements() as seen:
            assert counter.get("tasks", limit=100).status_code == 200
        return len(seen)

    few = asked()
    with transaction():
        for _ in range(10):
            more = make_member(counter.world, guide=counter.world.guide)
            members_commands.bind(brand_id=counter.world.brand_id, member_id=more, phone_tail="1111")
    run_work()
    assert len(counter.get("tasks", limit=100).get_json()["items"]) == 22
    assert asked() == few
