"""A life that reached us by every way in: the copy tells all of it, and once it is forgotten no column of any table
names anybody, sealed ones included."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from callback_day import OFFICIAL, official_account
from console_world import bearer
from coupon_factories import post
from import_files import an_import, csv_of
from invariants import broken
from mini_phone import PHONE, Phone
from privacy_shop import publish, sign_in_guide
from sqlalchemy import select

from app.channels.codes import commands as codes
from app.core import clock, crypto, hot, ids
from app.core.db import session
from app.core.errors import ProgrammingError
from app.core.transaction import transaction
from app.flows import export_person
from app.flows.sealed import COLUMNS
from app.flows.sync import runs
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members.models import Member

NAME = "欧阳明珠"
CARD, MALL, SOURCE_ID = "CARD-77881", "mall-user-9931", "ERP-55103"
API = "/api/admin/v1"


class Life:
    """Everything that is told of one customer, and what they are called where."""

    def __init__(self, client: Any, tencent: Any, run_work: Any) -> None:
        self.client, self.tencent, self.world, self.work = client, tencent, tencent.world, run_work
        self.hq = bearer(self.world.admin)
        official_account(tencent)
        self.human = tencent.engine.directory.put_customer({"id": "ming", "name": NAME, "phone": PHONE})

    @property
    def names(self) -> set[str]:
        known = {NAME, PHONE, CARD, MALL, SOURCE_ID, *self.human.openids.values()}
        return known | {self.human.unionid, *self.human.external_userids.values()}

    def live(self) -> None:
        publish(self.world.brand_id)
        self._wechat()
        self._counter()
        self._staff()
        self._office()

    @property
    def member(self) -> Member:
        return session.scalars(select(Member).where(Member.merged_into.is_(None))).one()

    def _heard(self) -> None:
        self.tencent.deliver()
        self.work()

    def _wechat(self) -> None:
        corp, engine = self.world.wecom.namespace, self.tencent.engine
        with transaction():
            codes.create_code(
                brand_id=self.world.brand_id, name="门口海报", state="poster", store_id=self.world.store.id
            )
        self.tencent.add("ming", state="poster", add_way=1)
        self._heard()
        engine.contacts.edit(corp, "guide1", self.human, remark=f"{NAME}姐", tags=[])
        chat = engine.groups.create(corp, "guide1", "会员群", [self.human])
        engine.groups.change(chat.chat_id, notice="欢迎")
        self._heard()
        engine.fans.follow(OFFICIAL, self.human, scene="poster")
        engine.fans.write(OFFICIAL, self.human, f"我是{NAME}，电话{PHONE}")
        engine.fans.click(OFFICIAL, self.human)
        self._heard()
        self.phone = Phone(self.tencent, "ming")
        assert self.phone.login().status_code == 200 and self.phone.bind().status_code == 200
        self.work()
        self.tencent.add("ming", userid="guide2")
        self._heard()
        self.tencent.unfollow("ming", userid="guide2")
        self._heard()

    def _till(self, path: str, body: Any, key: str) -> Any:
        answer = post(self.client, self.world, path, body, idempotency_key=key)
        assert answer.status_code in (200, 201), answer.text
        return answer.json

    def _counter(self) -> None:
        self._till("members", {"card_no": CARD, "phone": PHONE, "store": "S001", "name": NAME}, "life-card-1")
        told = {"account": MALL, "system": "mall", "phone": PHONE, "unionid": self.human.unionid, "name": NAME}
        self._till("mall-accounts", told, "life-mall-1")
        consent = {"phone": PHONE, "store": "S001", "purpose": "marketing", "granted": True, "paper_no": "P-1"}
        self._till("consents", consent | {"version": "2026-01"}, "life-paper-1")
        line = {"line_no": 1, "sku": "S", "name": "鞋", "quantity": 1, "unit_fen": 9900, "amount_fen": 9900}
        order = {"order_no": "L-1", "store": "S001", "paid_at": clock.now().isoformat(), "lines": [line]}
        self._till("orders", order | {"member": {"phone": PHONE, "card_no": CARD}}, "life-order-1")
        self.work()

    def _staff(self) -> None:
        sign_in_guide(self.client, self.world.guide)
        url = f"/api/sidebar/v1/customers/{self.tencent.external('ming')}"
        assert self.client.get(url).status_code == 200
        looked = self.client.post(f"{url}/reveals", json={"field": "phone", "reason": f"{NAME}要求回电"})
        assert looked.status_code == 200, looked.text

    def _office(self) -> None:
        member = f"{API}/members/{ids.encode('mbr', self.member.member_id)}"
        moved = {"store": "S002", "reason": f"{NAME}搬家了"}
        for path, body in {
            "reveals": {"field": "name", "reason": f"核对{NAME}"},
            "home-store": moved,
            "exports": {},
        }.items():
            answer = self.client.open(f"{member}/{path}", method="POST", json=body, headers=self.hq)
            assert answer.status_code in (200, 202), answer.text
        with transaction():
            stranger = identity.link(ids=[Identity("card", "till", "X1")], source="test").person_id
            review, _ = identity.put_up(
                self.member.person_id, stranger, reason="two_members", evidence={}, brand_id=self.world.brand_id
            )
        decided = {"same": True, "reason": f"{NAME}本人出示了两张卡"}
        answer = self.client.post(f"{API}/reviews/{ids.encode('rev', review)}/decision", json=decided, headers=self.hq)
        assert answer.status_code == 200, answer.text
        merge = self.client.get(f"{member}/merges", headers=self.hq).json["items"][0]["id"]
        split = self.client.post(f"{API}/merges/{merge}/split", json={"reason": f"{NAME}说不是她"}, headers=self.hq)
        assert split.status_code == 200, split.text
        rows = [
            {"会员编号": SOURCE_ID, "手机号": PHONE, "姓名": NAME},
            {"会员编号": SOURCE_ID + "0", "手机号": f"{PHONE}9", "姓名": NAME},
        ]
        assert an_import(self.world, "members", csv_of(["会员编号", "手机号", "姓名"], rows)).refused == 1
        with transaction():
            runs.start(brand_id=self.world.brand_id, kind="full", by="test")
        self.work()


@pytest.fixture
def life(client: Any, tencent: Any, run_work: Any) -> Life:
    made = Life(client, tencent, run_work)
    made.live()
    return made


def _opened(value: Any) -> Iterator[str]:
    """Every text in a value, ciphertexts opened."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _opened(one)
        if isinstance(value, dict):
            yield from value
    elif isinstance(value, str):
        yield value
        if value.startswith(f"{crypto.current_key()}:"):
            yield next(_attempts(value))


def _attempts(sealed: str) -> Iterator[str]:
    for context in sorted({one.context for one in COLUMNS}):
        try:
            yield crypto.decrypt(sealed, context=context)
        except ProgrammingError:  # bound to another context
            continue


def leaks(names: set[str]) -> set[tuple[str, str, str]]:
    """(table, column, name) of everything in the database, as it is stored and as it opens, that holds a name."""
    found = set()
    with psycopg.connect(hot._conninfo) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f'SELECT to_jsonb(one) FROM "{table}" AS one').fetchall():
                for column, value in row.items():
                    texts = " ".join(_opened(value))
                    found |= {(table, column, name) for name in names if name in texts}
    return found


def test_the_copy_tells_the_whole_life(life: Life) -> None:
    with transaction():
        told = export_person.gather(life.member)
    files = zipfile.ZipFile(io.BytesIO(export_person.zipped(told))).namelist()
    assert {f"{name}.csv" for name, rows in told.items() if isinstance(rows, list)} <= set(files)
    empty = {name for name, rows in told.items() if not rows}
    assert empty == {
        "benefits", "comparison_groups", "coupon_flags", "coupon_gifts", "coupon_twins", "coupons", "friends_brought",
        "invited_by_a_friend", "points", "redemptions", "refunds", "tags", "tasks", "tiers", "subscriptions",
    }, "what this life had none of"  # fmt: skip
    said = json.dumps(told, ensure_ascii=False, default=str)
    assert [name for name in life.names if name not in said] == []
    assert [one["store"] for one in told["home_stores"]] == ["一号店", "二号店"]
    assert told["groups"][0]["name"] == "会员群" and told["official_accounts"][0]["subscribed"]
    assert told["arrivals"][0]["code"] == "门口海报"


def test_nothing_that_names_them_is_left_whatever_way_it_came(life: Life) -> None:
    where = {(table, column) for table, column, _ in leaks(life.names)}
    assert where >= {
        ("follow", "remark"), ("group_chat_member", "member_key"), ("home_store_history", "reason"),
        ("idempotency_key", "answer"), ("identity_review", "decision"), ("inbox", "payload"), ("member", "name"),
        ("official_follow", "openid"), ("outbox", "payload"), ("refresh", "key"), ("reveal", "reason"),
    }, "the life is as whole as it was meant"  # fmt: skip
    assert "audit_log" not in {table for table, _ in where}, "nothing can be taken out of it"
    erasure = f"{API}/members/{ids.encode('mbr', life.member.member_id)}/erasure"
    assert life.client.post(erasure, json={"reason": "本人要求"}, headers=life.hq).status_code == 200
    life.work()
    assert leaks(life.names) == set()
    assert broken() == []
