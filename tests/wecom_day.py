"""A busy day in the simulated WeCom, and the state of both sides in one comparable form.

    day = Day(tencent, seed=7); day.play(300, lost=0.1)      callbacks of it are posted, a tenth of them is lost
    assert ours(tencent) == theirs(tencent)

Whether a customer has deleted the guide is told by a callback only, as WeCom goes on listing them: both sides count a
relation that is listed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import time_machine
from sqlalchemy import select
from tencent import Tencent

from app.channels import queries as channels
from app.channels.models import Follow
from app.channels.state import FollowTag
from app.core.db import session
from app.flows.sync import ours as held
from app.identity import queries as identity
from app.identity.rules import Identity
from app.wechat.simulator.engine.rows import App

DAY = 86_400


class Day:
    """Everything a corp's people do, a few seconds apart, seeded. It ends a quarter of an hour ago."""

    def __init__(self, tencent: Tencent, *, seed: int, customers: int = 60) -> None:
        self.tencent, self.engine, self.corp_id = tencent, tencent.engine, tencent.corp_id
        self.chance = random.Random(seed)
        self.app: App = next(iter(self.engine.world.apps))
        self.names = [f"c{n}" for n in range(customers)]
        self.engine.world.set_value("clock_offset", -float(DAY))
        for number in range(2, 6):
            self.engine.directory.put_department(
                {"corp_id": self.corp_id, "id": number, "name": f"门店{number}", "parentid": 1, "order": number}
            )
        for number in range(1, 4):
            self.engine.directory.put_staff(
                {"corp_id": self.corp_id, "userid": f"guide{number}", "departments": [number + 1]}
            )
        for name in ("等级", "偏好"):
            tags = [{"name": f"{name}{n}"} for n in range(4)]
            self.engine.tags.add(self.app, {"group_name": name, "tag": tags})
        self.events: list[tuple[str, dict[str, Any]]] = []  # every callback of the day, also those that were lost
        self.guides = ["guide1", "guide2", "guide3"]
        self.chats: list[str] = []

    def play(self, actions: int, *, lost: float = 0.0, work: Callable[[], Any] = lambda: None) -> int:
        """Returns how many callbacks were lost. Each event that arrives is worked off in groups, as workers do."""
        deeds = [self.add] * 10 + [self.edit] * 5 + [self.delete] * 2 + [self.unfollow] * 2 + [self.tag] * 2
        deeds += [self.open_chat, self.join] * 2 + [self.leave, self.rename_chat, self.dismiss, self.staff]
        deeds += [self.staff_leaves, self.department, self.library]
        gone, step = 0, (DAY - 900) / actions
        for number in range(actions):
            self.chance.choice(deeds)()
            self.engine.world.advance(step)
            if number % 20 == 19 or number == actions - 1:
                self.events += self.tencent.waiting
                kept = [event for event in self.tencent.waiting if self.chance.random() >= lost]
                gone += len(self.tencent.waiting) - len(kept)
                self.tencent.waiting = kept
                self._work_off(work)
        self.engine.world.set_value("clock_offset", 0.0)
        return gone

    def _work_off(self, work: Callable[[], Any]) -> None:
        """Deliver and work off what waits at its own time of day: our clock says what theirs says."""
        offset = self.engine.world.value("clock_offset")
        with time_machine.travel(self.engine.now(), tick=True):
            self.engine.world.set_value("clock_offset", 0.0)
            self.tencent.deliver()
            work()
        self.engine.world.set_value("clock_offset", offset)

    def _pair(self) -> tuple[str, str] | None:
        follows = list(self.engine.world.follows)
        if not follows:
            return None
        row = self.chance.choice(follows)
        return row.userid, row.customer

    def add(self) -> None:
        userid, name = self.chance.choice(self.guides), self.chance.choice(self.names)
        self.tencent.add(name, userid=userid, state=f"code{self.chance.randrange(5)}", add_way=1)

    def edit(self) -> None:
        if pair := self._pair():
            known = sorted(self.engine.tags.names(self.corp_id))
            tags = self.chance.sample(known, k=min(len(known), self.chance.randrange(4)))
            values = {"remark": f"备注{self.chance.randrange(99)}", "tags": tags}
            self.engine.contacts.edit(self.corp_id, pair[0], self.tencent.customer(pair[1]), **values)

    def delete(self) -> None:
        if pair := self._pair():
            self.tencent.delete(pair[1], userid=pair[0])

    def unfollow(self) -> None:
        if pair := self._pair():
            self.tencent.unfollow(pair[1], userid=pair[0])

    def tag(self) -> None:
        known = sorted(self.engine.tags.names(self.corp_id))
        if known and self.chance.random() < 0.4:
            self.engine.tags.delete(self.app, {"tag_id": [self.chance.choice(known)]})
        else:
            name = f"标签{self.chance.randrange(1000)}"
            self.engine.tags.add(self.app, {"group_name": "偏好", "tag": [{"name": name}]})

    def open_chat(self) -> None:
        people = [self.tencent.customer(name) for name in self.chance.sample(self.names, k=3)]
        chat = self.engine.groups.create(self.corp_id, self.chance.choice(self.guides), "会员群", people)
        self.chats.append(chat.chat_id)

    def join(self) -> None:
        if self.chats:
            people = [self.tencent.customer(name) for name in self.chance.sample(self.names, k=2)]
            chat = self.engine.world.chats.rows[self.chance.choice(self.chats)]
            new = [one for one in people if one.external_userids[self.corp_id] not in chat.members]
            if new:
                self.engine.groups.join(chat.chat_id, new, state="s1")

    def leave(self) -> None:
        if self.chats:
            chat = self.engine.world.chats.rows[self.chance.choice(self.chats)]
            customers = [key for key, member in chat.members.items() if member["type"] == 2]
            if customers:
                self.engine.groups.leave(chat.chat_id, [self.chance.choice(customers)])

    def rename_chat(self) -> None:
        if self.chats:
            self.engine.groups.change(self.chance.choice(self.chats), name=f"群{self.chance.randrange(99)}")

    def dismiss(self) -> None:
        if len(self.chats) > 2:
            self.engine.groups.dismiss(self.chats.pop(self.chance.randrange(len(self.chats))))

    def staff(self) -> None:
        number = self.chance.randrange(10, 30)
        department = self.chance.randrange(2, 6)
        self.engine.office.put_staff(
            self.corp_id,
            {"userid": f"staff{number}", "name": f"员工{number}", "departments": [department], "status": 1},
        )

    def staff_leaves(self) -> None:
        here = [row.userid for row in self.engine.world.staff if row.userid.startswith("staff") and row.status != 5]
        if here:
            self.engine.office.delete_staff(self.corp_id, self.chance.choice(here))

    def department(self) -> None:
        office, extra = self.engine.office, [row.id for row in self.engine.world.departments if row.id > 5]
        if extra and self.chance.random() < 0.4:
            office.delete_department(self.corp_id, self.chance.choice(extra))
        else:
            number = self.chance.choice([2, 3, *range(6, 10)])
            office.put_department(self.corp_id, {"id": number, "name": f"部门{self.chance.randrange(99)}"})

    def library(self) -> None:
        office, group = self.engine.office, self.chance.choice(list(self.engine.world.tag_groups))
        deed = self.chance.randrange(4)
        if deed == 0:
            office.edit_tag(self.corp_id, group.tags[0]["id"], name=f"新名{self.chance.randrange(999)}")
        elif deed == 1:
            office.shuffle_tags(self.corp_id, group.group_id)
        elif deed == 2 and len(list(self.engine.world.tag_groups)) > 2:
            office.delete_tag(self.corp_id, group.group_id)
        else:
            office.add_tags(self.corp_id, f"组{self.chance.randrange(3)}", [f"标签{self.chance.randrange(1000, 2000)}"])


def theirs(tencent: Tencent) -> dict[str, Any]:
    """The truth of the simulator."""
    world, corp_id = tencent.engine.world, tencent.corp_id
    here = [row for row in world.staff if row.corp_id == corp_id and row.status != 5]
    return {
        "departments": {str(d.id): [d.parentid or None, d.name, d.order] for d in world.departments},
        "staff": {s.userid: [s.name, s.status, sorted(s.departments), (s.departments or [1])[0]] for s in here},
        "tags": {t["id"]: [g.group_id, g.group_name, t["name"], t["order"]] for g in world.tag_groups for t in g.tags},
        "follows": {
            f"{f.userid}/{f.external_userid}": [
                f.remark, f.state, f.add_way, f.createtime, sorted(f.tags), world.customers.rows[f.customer].name,
                world.customers.rows[f.customer].unionid,
            ]
            for f in world.follows
        },
        "chats": {
            c.chat_id: [
                c.name, c.owner, c.notice, c.member_version,
                {k: [m["type"], m["join_time"], m["join_scene"], m.get("state")] for k, m in c.members.items()},
            ]
            for c in world.chats
        },
    }  # fmt: skip


def ours(tencent: Tencent) -> dict[str, Any]:
    """The same of our tables."""
    corp_id = tencent.corp_id
    groups = {row.group_id: row.name for row in held.tag_groups(corp_id)}
    tags: dict[tuple[str, str], list[str]] = {}
    for row in session.scalars(select(FollowTag).where(FollowTag.corp_id == corp_id)):
        tags.setdefault((row.userid, row.external_userid), []).append(row.tag_id)
    standing = session.scalars(
        select(Follow)
        .where(Follow.corp_id == corp_id, Follow.status != "deleted")
        .execution_options(populate_existing=True)
    )
    return {
        "departments": {str(d.department_id): [d.parent_id, d.name, d.sort] for d in held.departments(corp_id)},
        "staff": {s.userid: [s.name, s.status, s.departments, s.main_department] for s in held.staff_present(corp_id)},
        "tags": {t.tag_id: [t.group_id, groups[t.group_id], t.name, t.sort] for t in held.tags(corp_id)},
        "follows": {f"{f.userid}/{f.external_userid}": _follow(tencent, f, tags) for f in standing},
        "chats": {
            c.chat_id: [
                c.name, c.owner, c.notice, c.member_version,
                {
                    key: [m.kind, _seconds(m.joined_at), m.join_scene, m.state]
                    for key, m in held.members_of(corp_id, c.chat_id).items()
                },
            ]
            for c in held.chats(corp_id)
        },
    }  # fmt: skip


def _follow(tencent: Tencent, row: Follow, tags: dict[tuple[str, str], list[str]]) -> list[Any]:
    card = channels.contact_card(row)
    person = identity.person_of(Identity("external_userid", row.corp_id, row.external_userid))
    unionids = identity.values_of(person, "unionid", "open1") if person else []
    return [
        row.remark or "", row.state, row.add_way, _seconds(row.added_at),
        sorted(tags.get((row.userid, row.external_userid), [])), card.name if card else None,
        unionids[0] if unionids else None,
    ]  # fmt: skip


def _seconds(moment: datetime | None) -> int:
    return int(moment.astimezone(UTC).timestamp()) if moment else 0


def digest(state: dict[str, Any]) -> str:
    """One value for a whole side."""
    return hashlib.sha256(json.dumps(state, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
