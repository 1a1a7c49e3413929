"""A day of callbacks of every kind, made by the simulator, and a digest of what they left in our tables.

day = Day(tencent, seed=7); events = day.play(250)       [(receiver, fields), ..] in the order they happened
forget_all(world)                                        empty tables, the organisation as it was
digest()                                                 one value for all that callbacks wrote
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
from factories import AES_KEY, World
from sqlalchemy import inspect, select
from tencent import Tencent

from app.channels import queries as channels
from app.channels.codes import commands as codes
from app.channels.codes.models import Arrival, ChannelCode
from app.channels.models import Follow
from app.channels.state import (
    AcquisitionBalance,
    AcquisitionEvent,
    AcquisitionLink,
    CorpTag,
    CorpTagGroup,
    FollowTag,
    GroupChat,
    GroupChatMember,
    OfficialFollow,
    SubscriptionQuota,
    SuiteAuth,
)
from app.core.db import session
from app.core.transaction import transaction
from app.identity import queries as identity
from app.identity.models import IdentityRow
from app.org import commands as org
from app.org.models import Department, Guide, PlatformAccount, Staff, StaffRename

DAY = 86_400
OFFICIAL = "wxofficial01"
ORGANISATION = {
    "alembic_version", "brand", "region", "dealer", "store", "platform_account", "api_client", "admin_user",
    "channel_code",
}  # fmt: skip
CODES = ("code1", "code2", "door", "till")
# Ours, and so different every time: ids, journeys, and when we read or wrote something.
OURS = {"brand_id", "person_id", "guide_id", "correlation_id", "event_id", "contact", "read_at", "described_at", "id"}
# What is read is dated at the moment of the read.
READ = {Department, Staff, CorpTag, CorpTagGroup, GroupChat}


def official_account(tencent: Tencent) -> PlatformAccount:
    """The brand's official account, in our books and in the simulator."""
    with transaction():
        account = org.set_account(
            brand_id=tencent.world.brand_id,
            kind="official",
            namespace=OFFICIAL,
            open_platform="open1",
            secret="official-secret",
            callback_token="official-token",
            callback_aes_key=AES_KEY,
        )
    tencent.engine.directory.put_mini(
        {
            "appid": OFFICIAL,
            "secret": "official-secret",
            "kind": "official",
            "callback": {"url": f"/hooks/official/{OFFICIAL}", "token": "official-token", "aes_key": AES_KEY},
        }
    )
    return account


class Day:
    """What people do all day, a few minutes apart, seeded."""

    def __init__(self, tencent: Tencent, *, seed: int) -> None:
        self.tencent, self.engine, self.corp_id = tencent, tencent.engine, tencent.corp_id
        self.chance = random.Random(seed)
        official_account(tencent)
        with transaction():
            stores = [session.merge(store) for store in tencent.world.stores]
            for number, store in enumerate(stores, 2):
                store.department_id = number
            for code in CODES:
                codes.create_code(brand_id=tencent.world.brand_id, name=code, state=code)
        self.engine.world.set_value("clock_offset", -float(DAY))
        self.guides = [guide.userid for guide in tencent.world.guides]
        self.names = [f"c{n}" for n in range(25)]
        for name in self.names:
            tencent.customer(name)
        self.hired, self.departments, self.chats, self.links = 0, [2, 3], [], ["link1", "link2"]
        for number in self.departments:
            self.engine.directory.put_department({"corp_id": self.corp_id, "id": number, "name": f"门店{number}"})
        for number, userid in enumerate(self.guides):
            self.engine.directory.put_staff(
                {"corp_id": self.corp_id, "userid": userid, "departments": [2 + number // 2]}
            )
        self.engine.office.add_tags(self.corp_id, "等级", ["金", "银", "铜"])
        for name in self.names[:6]:
            self.tencent.add(name, userid=self.guides[0])

    def play(self, deeds: int) -> list[tuple[str, dict[str, Any]]]:
        kinds: list[Callable[[], None]] = [
            *[self.add] * 8, *[self.edit] * 4, *[self.leave] * 4, self.tags, self.tags, self.chat, self.chat,
            *[self.members] * 4, self.staff, self.staff, self.department, *[self.official] * 5,
            *[self.subscription] * 3, self.acquisition,
        ]  # fmt: skip
        for _ in range(deeds):
            self.engine.world.advance((DAY - 900) / deeds)
            self.chance.choice(kinds)()
        self.engine.world.set_value("clock_offset", 0.0)
        events, self.tencent.waiting = self.tencent.waiting, []
        return events

    def _customer(self) -> Any:
        return self.tencent.customer(self.chance.choice(self.names))

    def add(self) -> None:
        state = self.chance.choice([None, "code1", "code2"])
        self.tencent.add(self._customer().id, userid=self.chance.choice(self.guides), state=state)

    def _pair(self) -> tuple[str, Any] | None:
        follows = [one for one in self.engine.world.follows if one.userid in self.guides]
        if not follows:
            return None
        one = self.chance.choice(follows)
        return one.userid, self.tencent.customer(one.customer)

    def edit(self) -> None:
        if pair := self._pair():
            known = sorted(self.engine.tags.names(self.corp_id))
            tags = self.chance.sample(known, k=min(len(known), self.chance.randrange(3)))
            self.engine.contacts.edit(self.corp_id, *pair, remark=f"备注{self.chance.randrange(9)}", tags=tags)

    def leave(self) -> None:
        if pair := self._pair():
            if self.chance.random() < 0.5:
                self.engine.contacts.unfollow(self.corp_id, *pair)
            else:
                self.engine.contacts.delete(self.corp_id, *pair)

    def tags(self) -> None:
        office, groups = self.engine.office, [g for g in self.engine.world.tag_groups if g.corp_id == self.corp_id]
        deed = self.chance.randrange(5)
        if deed == 0 or not groups:
            office.add_tags(self.corp_id, f"组{self.chance.randrange(3)}", [f"标签{self.chance.randrange(99)}"])
            return
        group = self.chance.choice(groups)
        tag = self.chance.choice(group.tags)["id"]
        if deed == 1:
            office.edit_tag(self.corp_id, tag, name=f"新名{self.chance.randrange(999)}")
        elif deed == 2:
            office.delete_tag(self.corp_id, tag)
        elif deed == 3:
            office.shuffle_tags(self.corp_id, group.group_id)
        elif len(groups) > 1:
            office.delete_tag(self.corp_id, group.group_id)

    def chat(self) -> None:
        if len(self.chats) > 3:
            self.engine.groups.dismiss(self.chats.pop(0))
        people = [self.tencent.customer(name) for name in self.chance.sample(self.names, k=4)]
        owner = self.chance.choice(self.guides)
        self.chats.append(self.engine.groups.create(self.corp_id, owner, "会员群", people).chat_id)

    def members(self) -> None:
        if not self.chats:
            return
        groups, chat_id = self.engine.groups, self.chance.choice(self.chats)
        present = self.engine.world.chats.rows[chat_id].members
        deed = self.chance.randrange(4)
        if deed == 0:
            groups.change(chat_id, name=f"群{self.chance.randrange(99)}")
        elif deed == 1 and len(present) > 2:
            keys = [key for key, member in present.items() if member["type"] == 2]
            groups.leave(chat_id, self.chance.sample(keys, k=1), removed=self.chance.random() < 0.5)
        else:
            person = self._customer()
            if person.external_userids[self.corp_id] not in present:
                groups.join(chat_id, [person])

    def staff(self) -> None:
        office, deed = self.engine.office, self.chance.randrange(5)
        if deed == 0 or len(self.guides) < 3:
            self.hired += 1
            values = {
                "userid": f"new{self.hired}",
                "name": f"新人{self.hired}",
                "departments": [self.chance.choice([2, 3])],
            }
            office.put_staff(self.corp_id, values)
            self.guides.append(f"new{self.hired}")
            return
        userid = self.chance.choice(self.guides)
        if deed == 1:
            office.put_staff(self.corp_id, {"userid": userid, "departments": [self.chance.choice([2, 3])]})
        elif deed == 2:
            office.put_staff(self.corp_id, {"userid": userid}, leads=[self.chance.choice([2, 3])])
        elif deed == 3:
            self.hired += 1
            self.guides[self.guides.index(userid)] = f"{userid}-{self.hired}"
            office.rename_staff(self.corp_id, userid, f"{userid}-{self.hired}")
        elif len(self.guides) > 3:
            self.guides.remove(userid)
            office.delete_staff(self.corp_id, userid)

    def department(self) -> None:
        office = self.engine.office
        if len(self.departments) > 3:
            office.delete_department(self.corp_id, self.departments.pop())
        else:
            number = 10 + self.hired * 10 + len(self.departments)
            self.departments.append(number)
            office.put_department(self.corp_id, {"id": number, "name": f"部门{number}"})
        office.put_department(self.corp_id, {"id": 2, "name": f"一号店{self.chance.randrange(99)}"})

    def official(self) -> None:
        fans, customer, deed = self.engine.fans, self._customer(), self.chance.randrange(6)
        if deed < 2:
            fans.follow(OFFICIAL, customer, scene=self.chance.choice(["", "door", "till"]))
        elif deed == 2:
            fans.unfollow(OFFICIAL, customer)
        elif self.engine.world.value(f"follower|{OFFICIAL}|{customer.openids[OFFICIAL]}"):
            fans.click(OFFICIAL, customer) if deed < 5 else fans.write(OFFICIAL, customer, "你好")

    def subscription(self) -> None:
        customer = self._customer()
        answers = {f"tmpl{n}": self.chance.random() < 0.7 for n in range(self.chance.randrange(1, 3))}
        self.engine.messages.subscribe(self.tencent.appid, customer.openids[self.tencent.appid], answers)

    def acquisition(self) -> None:
        change = self.chance.choice(["balance_low", "balance_increased", "friend_request", "link_unavailable"])
        link = {} if change.startswith("balance") else {"LinkId": self.chance.choice(self.links)}
        self.engine.fans.acquisition(self.corp_id, change, **link)


def forget_all(world: World) -> None:
    """Empty every table but the organisation's, whose guides are again who they were."""
    session.remove()
    with psycopg.connect(_url(), autocommit=True) as connection:
        names = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            for name in sorted(set(names) - ORGANISATION):
                connection.execute(f'DELETE FROM "{name}"')
    with transaction():
        for guide in world.guides:
            session.add(
                Guide(
                    id=guide.id, brand_id=guide.brand_id, store_id=guide.store_id, corp_id=guide.corp_id,
                    userid=guide.userid, name=guide.name,
                )
            )  # fmt: skip


def _url() -> str:
    return session.get_bind().url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")


def state(*, times: bool = True) -> dict[str, list[Any]]:
    """What callbacks wrote, table by table, without what is ours; without any moment where `times` is False."""
    with transaction():
        guides = {row.id: row.userid for row in session.scalars(select(Guide))}
        found = {
            "guide": _guides(),
            "person": _persons(),
            "arrival": _arrivals(times),
        }
        for model in (
            Follow, FollowTag, Department, Staff, StaffRename, CorpTag, CorpTagGroup, GroupChat, GroupChatMember,
            OfficialFollow, SubscriptionQuota, AcquisitionLink, AcquisitionBalance, AcquisitionEvent, SuiteAuth,
        ):  # fmt: skip
            rows = session.scalars(select(model).execution_options(populate_existing=True))
            found[model.__tablename__] = [_row(model, row, guides, times) for row in rows]
    return {name: sorted(rows, key=lambda row: json.dumps(row, default=str)) for name, rows in found.items()}


def _row(model: Any, row: Any, guides: dict[int, str], times: bool) -> list[Any]:
    values: list[Any] = []
    for column in inspect(model).columns:
        if column.key in OURS:
            continue
        value = getattr(row, column.key)
        if isinstance(value, datetime) or column.key.endswith("_at"):
            # Whether something is gone counts always; when it was read never does.
            ours = not times or model in READ
            value = value is not None if ours else value and value.timestamp()
        values.append(value)
    if model is Follow:
        card = channels.contact_card(row)
        values += [card.name if card else None, guides.get(row.guide_id)]
    return values


def _guides() -> list[list[Any]]:
    """Who works where. One who was made for a new userid before its renaming was told is nobody, and has left."""
    renamed = set(session.scalars(select(StaffRename.userid)))
    return [
        [row.userid, row.store_id, row.role, row.status]
        for row in session.scalars(select(Guide).execution_options(populate_existing=True))
        if row.status == "active" or row.userid not in renamed
    ]


def _persons() -> list[list[str]]:
    """The ids of each human, whatever number we gave them."""
    groups: dict[int, list[str]] = {}
    for row in session.scalars(select(IdentityRow)):
        groups.setdefault(identity.resolve(row.person_id), []).append(f"{row.kind}:{row.namespace}:{row.value}")
    return [sorted(group) for group in groups.values()]


def _arrivals(times: bool) -> list[list[Any]]:
    """Who came to the official account by which code, each human by their ids. Additions by a code are not compared:
    of a customer who came, left and came again, all told within one moment, only what stands in the end is certain.
    """
    states = {row.id: row.state for row in session.scalars(select(ChannelCode))}
    opened = select(Arrival).where(Arrival.kind == "opened").execution_options(populate_existing=True)
    return [
        [states[row.code_id], ids_of(row.person_id), row.at.timestamp() if times else None]
        for row in session.scalars(opened)
    ]


def ids_of(person_id: int) -> list[str]:
    rows = select(IdentityRow).where(IdentityRow.person_id.in_(identity.all_ids_of(identity.resolve(person_id))))
    return sorted(f"{row.kind}:{row.namespace}:{row.value}" for row in session.scalars(rows))


def digest(*, times: bool = True) -> str:
    """One value for the whole state."""
    return hashlib.sha256(json.dumps(state(times=times), default=str, ensure_ascii=False).encode()).hexdigest()
