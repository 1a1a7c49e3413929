"""From the callback to the follow, the welcome and the contact, through our hook, our workers and our gateways."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from app.channels import queries
from app.channels.codes import commands as codes
from app.channels.models import Follow, Outbound
from app.content import commands as content
from app.core import clock, outbox
from app.core.db import session
from app.core.inbox import Inbox
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows.welcome import WELCOME
from app.identity import queries as identity
from app.identity.rules import Identity
from workers import relay


def follows() -> list[Follow]:
    return list(
        session.scalars(select(Follow).order_by(Follow.external_userid).execution_options(populate_existing=True))
    )


def welcomes() -> list[Outbound]:
    return list(session.scalars(select(Outbound).execution_options(populate_existing=True)))


def events(name: str) -> list[Outbox]:
    return list(session.scalars(select(Outbox).where(Outbox.name == name).order_by(Outbox.id)))


def dead() -> list[Inbox]:
    return list(session.scalars(select(Inbox).where(Inbox.status != "done")))


def test_a_customer_added_is_followed_welcomed_and_known(tencent, world, run_work) -> None:
    (added,) = tencent.add("anna", state="shop-1")
    assert tencent.deliver() == [200]
    run_work()
    (follow,) = follows()
    assert (follow.guide_id, follow.status, follow.state) == (world.guide.id, "active", "shop-1")
    assert follow.brand_id == world.brand_id and follow.add_way == 1
    card = queries.contact_card(follow)
    assert card is not None and card.name == "顾客anna" and "anna" not in (follow.contact or "")

    (sent,) = tencent.sent("welcome")
    assert sent.to == tencent.external("anna")
    assert world.store.name in json.dumps(sent.content, ensure_ascii=False)
    (outbound,) = welcomes()
    assert (outbound.key, outbound.status) == (added["welcome_code"], "sent")

    unionid = Identity("unionid", "open1", tencent.customer("anna").unionid)
    assert identity.person_of(unionid) == follow.person_id
    # One journey: everything the callback caused carries its correlation id.
    (row,) = session.scalars(select(Inbox))
    assert {follow.correlation_id, outbound.correlation_id} == {row.correlation_id}
    assert {event.correlation_id for event in session.scalars(select(Outbox))} == {row.correlation_id}


def test_five_customers_in_one_second_are_five_follows_and_five_welcomes(tencent, run_work) -> None:
    names = ["a", "b", "c", "d", "e"]
    tencent.add(*names)
    assert tencent.deliver(times=3) == [200] * 15
    run_work()
    assert {follow.external_userid for follow in follows()} == {tencent.external(name) for name in names}
    assert sorted(sent.to for sent in tencent.sent("welcome")) == sorted(tencent.external(name) for name in names)
    assert [one.status for one in welcomes()] == ["sent"] * 5


def test_the_channel_codes_material_is_what_the_customer_reads(tencent, world, run_work) -> None:
    with transaction():
        material_id = content.save_material(
            brand_id=world.brand_id, code="hello", kind="text", title="欢迎", body="欢迎来到{store}，我是{guide}"
        )
        codes.create_code(brand_id=world.brand_id, name="门店码", state="s1", welcome_material_id=material_id)
    tencent.add("anna", state="s1")
    tencent.deliver()
    run_work()
    (sent,) = tencent.sent("welcome")
    assert sent.content["text"] == f"欢迎来到{world.store.name}，我是{world.guide.name}"


def test_a_mini_program_card_gets_an_uploaded_cover(tencent, world, run_work) -> None:
    with transaction():
        content.save_material(
            brand_id=world.brand_id,
            code="welcome",
            kind="miniprogram",
            title="会员中心",
            body="点开绑定手机号",
            image_url="/static/cover.png",
            page="pages/index",
        )
    tencent.add("anna", "ben")
    tencent.deliver()
    run_work()
    cards = [sent.content["attachments"][0]["miniprogram"] for sent in tencent.sent("welcome")]
    assert [card["appid"] for card in cards] == [tencent.appid] * 2
    assert len({card["pic_media_id"] for card in cards}) == 1  # uploaded once


def test_without_a_welcome_code_nothing_is_sent(tencent, run_work) -> None:
    tencent.add("anna", welcome=False)
    tencent.deliver()
    run_work()
    assert len(follows()) == 1 and not welcomes() and not tencent.sent("welcome")


def test_a_half_added_customer_counts_and_the_confirmation_repeats_nothing(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.waiting = [
        (corp, {**fields, "ChangeType": "add_half_external_contact"}) for corp, fields in tencent.waiting
    ]
    tencent.deliver()
    run_work()
    tencent.add("anna", welcome=False)
    tencent.deliver()
    run_work()
    assert len(follows()) == 1 and len(tencent.sent("welcome")) == 1
    assert len(events("channels.customer_added")) == 1


def test_a_late_welcome_fails_and_says_why(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.engine.world.advance(25)
    tencent.deliver()
    run_work()
    (outbound,) = welcomes()
    assert (outbound.status, outbound.error) == ("failed", "welcome_code_expired")
    assert not dead()


def test_a_welcome_another_app_sent_is_not_ours(tencent, run_work) -> None:
    (added,) = tencent.add("anna")
    tencent.engine.world.codes.rows[added["welcome_code"]].used_at = 1.0
    tencent.deliver()
    run_work()
    assert [(one.status, one.error) for one in welcomes()] == [("failed", "welcome_already_handled")]


def test_a_server_that_does_not_answer_is_asked_again(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.deliver()
    tencent.engine.faults.inject({"api": "externalcontact/send_welcome_msg", "http_status": 502, "count": 3})
    run_work()
    assert not tencent.sent("welcome")
    assert not welcomes()  # given back: nothing happened outside
    with time_machine.travel(clock.now() + timedelta(seconds=5)):
        run_work()
    assert [one.status for one in welcomes()] == ["sent"] and len(tencent.sent("welcome")) == 1


def test_a_permission_that_is_missing_for_a_while_costs_no_contact(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.deliver()
    tencent.engine.faults.inject({"api": "externalcontact/get", "errcode": 48002, "count": 1})
    run_work()
    assert follows()[0].contact is None and not dead()
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        run_work()
    assert follows()[0].contact is not None


@pytest.mark.parametrize(
    ("later", "outcome"),
    [(timedelta(seconds=10), ("sent", "welcome_already_handled")), (timedelta(minutes=2), ("unknown", "worker_lost"))],
)
def test_a_worker_lost_after_sending_greets_nobody_twice(tencent, run_work, monkeypatch, later, outcome) -> None:
    def die(request: object, answer: object) -> None:
        raise SystemExit

    tencent.add("anna")
    tencent.deliver()
    with monkeypatch.context() as killed:
        killed.setattr(outbox.subscriber("welcome.send"), "handler", replace(WELCOME, record=die))
        with pytest.raises(SystemExit):
            run_work()
    assert [one.status for one in welcomes()] == ["reserved"]
    with time_machine.travel(clock.now() + later):
        relay.sweep()
        run_work()
    assert [(one.status, one.error) for one in welcomes()] == [outcome]
    assert len(tencent.sent("welcome")) == 1


def test_a_worker_lost_before_sending_still_welcomes_in_time(tencent, run_work, monkeypatch) -> None:
    def die(request: object) -> None:
        raise SystemExit

    tencent.add("anna")
    tencent.deliver()
    with monkeypatch.context() as killed:
        killed.setattr(outbox.subscriber("welcome.send"), "handler", replace(WELCOME, call=die))
        with pytest.raises(SystemExit):
            run_work()
    assert not tencent.sent("welcome")
    with time_machine.travel(clock.now() + timedelta(seconds=10)):
        relay.sweep()
        run_work()
    assert [one.status for one in welcomes()] == ["sent"] and len(tencent.sent("welcome")) == 1


def test_a_customer_who_leaves_is_lost_and_comes_back(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.deliver()
    run_work()
    tencent.engine.world.advance(10)
    tencent.unfollow("anna")
    tencent.deliver(times=2)
    run_work()
    assert follows()[0].status == "lost"
    (lost,) = events("channels.customer_lost")
    assert (lost.payload["by"], lost.person_id) == ("customer", follows()[0].person_id)
    tencent.engine.world.advance(10)
    tencent.add("anna")
    tencent.deliver()
    run_work()
    assert follows()[0].status == "active" and len(tencent.sent("welcome")) == 2


def test_events_out_of_order_end_as_the_newest_says(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.engine.world.advance(10)
    tencent.delete("anna")
    tencent.waiting.reverse()
    for event in list(tencent.waiting):
        tencent.waiting = [event]
        tencent.deliver()
        run_work()
    assert follows()[0].status == "deleted"
    assert not dead()


def test_an_unknown_member_of_staff_is_recorded_without_a_guide(tencent, run_work) -> None:
    tencent.engine.directory.put_staff({"corp_id": tencent.corp_id, "userid": "office", "name": "办公室"})
    tencent.add("anna", userid="office")
    tencent.deliver()
    run_work()
    (follow,) = follows()
    assert follow.guide_id is None and len(tencent.sent("welcome")) == 1


def test_an_edit_fetches_the_remark(tencent, run_work) -> None:
    tencent.add("anna")
    tencent.deliver()
    run_work()
    tencent.engine.contacts.edit(tencent.corp_id, "guide1", tencent.customer("anna"), remark="安娜 VIP")
    tencent.deliver()
    run_work()
    assert follows()[0].remark == "安娜 VIP"


def test_a_verified_callback_without_its_fields_is_laid_aside(tencent, run_work) -> None:
    fields = {
        "CreateTime": 1,
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": "add_external_contact",
        "UserID": "guide1",
    }
    assert tencent.post(tencent.corp_id, fields) == 200
    run_work()
    (row,) = dead()
    assert (row.status, row.last_error) == ("dead", "callback_incomplete")
