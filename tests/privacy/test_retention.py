"""What is kept no longer than it serves, by brand and kind; and what is never touched."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from invariants import broken
from privacy_shop import Shop
from sqlalchemy import func, select, text

from app.channels.events import ContactFetched, RefreshWanted
from app.core import clock, inbox, outbox
from app.core.audit import AuditLog
from app.core.db import session
from app.core.inbox import Inbox
from app.core.outbox import Outbox
from app.core.slots import Slot
from app.core.transaction import transaction
from app.flows import erase, retention
from app.flows.retention import RetentionInvalid
from app.identity.models import ErasedIdentity
from app.members import queries as members
from app.privacy import commands as privacy
from app.privacy.models import Consent, DataExport, Erasure, Reveal


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("privacy.", "core.") == []


@pytest.fixture
def old(shop: Shop, run_work) -> Shop:  # type: ignore[no-untyped-def]
    """Messages, events, looks, copies and wishes of today."""
    corp = shop.world.wecom.namespace
    inbox.receive(source=f"wecom:{corp}", key="k", kind="wecom.nobody_handles", payload={"ExternalUserID": "wm_1"})
    member = members.member(shop.brand, shop.member)
    assert member is not None
    with transaction():
        outbox.emit(ContactFetched(brand_id=shop.brand, person_id=shop.person, corp_id=corp, external_userid="wm_1"))
        privacy.reveal(member=member, field="phone", reason="核实会员身份", actor="adm_1", role="hq")
        privacy.ask_export(brand_id=shop.brand, member_id=shop.member, actor="adm_1")
        privacy.ask_erasure(
            brand_id=shop.brand, person_id=shop.person, member_id=shop.member, actor="mbr_1", reason="算了"
        )
    run_work()
    shop.say(False)
    return shop


def _over(shop: Shop) -> dict[str, int]:
    with transaction():
        return {line.kind: line.rows for line in retention.over() if line.rows}


def test_a_dry_run_says_what_would_go_and_nothing_goes(app, old: Shop) -> None:  # type: ignore[no-untyped-def]
    assert _over(old) == {}
    with time_machine.travel(clock.now() + timedelta(days=400)):
        expected = {
            "inbox_payload": 1, "outbox_payload": 1, "reveal": 1, "data_export": 1, "erasure_wish": 1,
        }  # fmt: skip
        assert _over(old) == expected
        shown = app.test_cli_runner().invoke(args=["privacy", "retention", "--dry-run"])
        assert shown.exit_code == 0 and "5 rows over, 0 forgotten" in shown.output
        assert _over(old) == expected


def test_what_is_over_goes_and_what_proves_it_stays(old: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    brand = old.brand
    with time_machine.travel(clock.now() + timedelta(days=400)):
        with transaction():
            session.add(
                Slot(task="privacy.retention", at=clock.now(), due_at=clock.now(), queue="bulk", correlation_id="c")
            )
        run_work()
        assert {line.kind: line.rows for line in retention.over() if line.rows} == {}
    assert session.scalars(select(Inbox.payload)).one() == {"forgotten": True}
    payload = session.scalars(select(Outbox.payload).where(Outbox.name == ContactFetched.name)).one()
    assert payload["external_userid"] == "erased" and payload["brand_id"] == brand
    assert session.scalar(select(func.count()).select_from(Reveal)) == 0
    assert session.execute(select(DataExport.status, DataExport.content)).one() == ("expired", None)
    assert session.execute(select(Erasure.status, Erasure.reason)).one() == ("cancelled", "")
    assert session.scalar(select(func.count()).select_from(Consent)) == 1


def test_what_wechat_pay_told_of_a_wallet_goes_though_its_account_is_of_no_brand(old: Shop) -> None:
    inbox.receive(source="wxpay:120344", key="n", kind="wxpay.nobody_handles", payload={"openid": "oA1"})
    with transaction():
        session.execute(text("UPDATE inbox SET status = 'done'"))
    with time_machine.travel(clock.now() + timedelta(days=40)), transaction():
        assert retention.forget()["pay_notice", None] == 1
    payload = session.scalars(select(Inbox.payload).where(Inbox.source == "wxpay:120344")).one()
    assert payload == {"forgotten": True}


def test_an_old_event_that_asked_about_somebody_tells_no_more_about_whom(old: Shop) -> None:
    with transaction():
        asked = outbox.emit(RefreshWanted(brand_id=old.brand, corp_id="ww", kind="contact", key="wm_2"))
        session.execute(text("UPDATE outbox SET fanned_out_at = created_at"))
    with time_machine.travel(clock.now() + timedelta(days=100)), transaction():
        retention.forget()
    payload = session.get_one(Outbox, asked, populate_existing=True).payload
    assert (payload["key"], payload["kind"]) == ("erased", "contact")


def test_a_brand_keeps_things_for_its_own_number_of_days(app, old: Shop) -> None:  # type: ignore[no-untyped-def]
    runner = app.test_cli_runner()
    done = runner.invoke(args=["privacy", "keep", old.world.brand.code, "inbox_payload", "3"])
    assert done.exit_code == 0, done.output
    kept = session.scalars(select(AuditLog).where(AuditLog.action == "privacy.retention_set")).one()
    assert kept.data == {"kind": "inbox_payload", "days": 3}
    with time_machine.travel(clock.now() + timedelta(days=4)):
        assert _over(old) == {"inbox_payload": 1}
    with pytest.raises(RetentionInvalid), transaction():
        retention.keep(brand_id=old.brand, kind="consent", days=3)


def test_chunks_are_bounded_and_follow_each_other(old: Shop) -> None:
    corp = old.world.wecom.namespace
    for number in range(5):
        inbox.receive(source=f"wecom:{corp}", key=f"n{number}", kind="wecom.nobody_handles", payload={"n": number})
    with time_machine.travel(clock.now() + timedelta(days=40)):
        with transaction():
            assert retention.forget(chunk=4)["inbox_payload", old.brand] == 4
        with transaction():
            assert retention.forget(chunk=4)["inbox_payload", old.brand] == 2


def test_tombstones_outlive_everything(old: Shop, run_work) -> None:  # type: ignore[no-untyped-def]
    with transaction():
        erase.erase(brand_id=old.brand, member_id=old.member, actor="adm_1", reason="本人要求")
    run_work()
    with time_machine.travel(clock.now() + timedelta(days=3000)), transaction():
        retention.forget()
    assert session.scalar(select(func.count()).select_from(ErasedIdentity)) == 2


def test_every_kind_names_a_table_and_columns_that_are_there() -> None:
    with transaction():
        for name, kind in retention.KINDS.items():
            columns = ", ".join(f'"{column}"' for column in kind.key)
            session.execute(text(f"SELECT {columns} FROM {kind.table} LIMIT 0"))
            assert kind.days >= 1, name
