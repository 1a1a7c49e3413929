"""Mass messages: the API makes tasks, a member confirms in the client, only then do customers receive anything."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.directory import days_in_month, month_of
from app.wechat.simulator.engine.messages import Messages
from app.wechat.simulator.engine.rows import App, Follow, MassMessage
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

UNSENT, SENT, NOT_FRIEND, CAPPED = 0, 1, 2, 3


class MassSends:
    def __init__(self, world: World, messages: Messages) -> None:
        self.world, self.messages = world, messages

    def create(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        """Each customer goes to the given sender, else to the member who last spoke with the customer."""
        world = self.world
        if body.get("chat_type", "single") != "single":
            raise WireError(48002, "group chats are not simulated")
        content = self.messages.content_of(body)
        sender = str(body.get("sender") or "")
        wanted = list(body.get("external_userid") or [])
        if len(wanted) > 10_000:
            raise WireError(40058)
        if not wanted:
            if not sender:
                raise WireError(40058, "sender, external_userid or tag_filter is needed")
            wanted = self._by_tags(app, sender, body.get("tag_filter") or {})
        tasks: dict[str, dict[str, Any]] = {}
        failed = []
        for external in dict.fromkeys(wanted):
            follow = self._member_for(app, external, sender)
            if follow is None:
                failed.append(external)
                continue
            task = tasks.setdefault(follow.userid, {"status": 0, "send_time": 0, "targets": {}})
            task["targets"][external] = [UNSENT, 0]
        if not tasks:
            raise WireError(41048)
        msgid = "msg" + world.make_id("mass", 29)
        world.mass.put(msgid, MassMessage(app.corp_id, msgid, sender, int(world.now()), content, tasks))
        return {"msgid": msgid, "fail_list": failed}

    def confirm(self, corp_id: str, msgid: str, userid: str) -> dict[str, int]:
        """The member presses send: each customer receives it, is no friend any more, or has had enough this month."""
        world = self.world
        with world.lock:
            mass = world.mass.get(msgid)
            if mass is None or mass.corp_id != corp_id or userid not in mass.tasks:
                raise ControlError("no such mass message for this member", 404)
            task = mass.tasks[userid]
            if mass.cancelled or task["status"] == 2:
                raise ControlError("cancelled or already sent", 409)
            now = world.now()
            cap = world.corps.rows[corp_id].monthly_receive_cap or days_in_month(now)
            counts = {"sent": 0, "not_friend": 0, "capped": 0}
            for external, result in task["targets"].items():
                follow = world.follows_by_staff.get(f"{corp_id}|{userid}", {}).get(external)
                key = f"received|{corp_id}|{external}|{month_of(now)}"
                received = int(world.value(key, 0))
                if follow is None or follow.lost:
                    result[:] = [NOT_FRIEND, 0]
                    counts["not_friend"] += 1
                elif received >= cap:
                    result[:] = [CAPPED, 0]
                    counts["capped"] += 1
                else:
                    world.set_value(key, received + 1)
                    result[:] = [SENT, int(now)]
                    counts["sent"] += 1
                    self.messages.record("mass", corp_id, external, userid, mass.content | {"msgid": msgid})
            task["status"], task["send_time"] = 2, int(now)
            world.mass.touch(msgid)
            return counts

    def tasks(self, app: App, body: dict[str, Any]) -> list[dict[str, Any]]:
        mass = self._get(app, body)
        if self.world.now() - mass.create_time < self.world.corps.rows[app.corp_id].dispatch_seconds:
            raise WireError(41063)
        return [
            {"userid": userid, "status": task["status"]}
            | ({"send_time": task["send_time"]} if task["status"] == 2 else {})
            for userid, task in mass.tasks.items()
        ]

    def results(self, app: App, body: dict[str, Any]) -> list[dict[str, Any]]:
        mass = self._get(app, body)
        userid = str(body.get("userid", ""))
        task = mass.tasks.get(userid)
        if task is None:
            raise WireError(60111)
        return [
            {"external_userid": external, "userid": userid, "status": status}
            | ({"send_time": moment} if status == SENT else {})
            for external, (status, moment) in task["targets"].items()
        ]

    def listing(self, app: App, body: dict[str, Any]) -> list[dict[str, Any]]:
        start, end = int(body.get("start_time") or 0), int(body.get("end_time") or 0)
        if end <= start or end - start > 31 * 86400:
            raise WireError(40058)
        rows = [m for m in self.world.mass if m.corp_id == app.corp_id and start <= m.create_time <= end]
        if body.get("creator"):
            rows = [m for m in rows if m.creator == body["creator"]]
        return [
            {
                "msgid": m.msgid,
                "creator": m.creator,
                "create_time": m.create_time,
                "create_type": 0,
                "text": {"content": m.content["text"]},
                "attachments": m.content["attachments"],
            }
            for m in rows
        ]

    def remind(self, app: App, body: dict[str, Any]) -> None:
        mass = self._get(app, body)
        recent = [t for t in mass.reminders if t > self.world.now() - 86400]
        if len(recent) >= 3:
            raise WireError(41094)
        mass.reminders = [*recent, self.world.now()]
        self.world.mass.touch(mass.msgid)

    def cancel(self, app: App, body: dict[str, Any]) -> None:
        mass = self._get(app, body)
        mass.cancelled = True
        self.world.mass.touch(mass.msgid)

    def _get(self, app: App, body: dict[str, Any]) -> MassMessage:
        mass = self.world.mass.get(str(body.get("msgid", "")))
        if mass is None or mass.corp_id != app.corp_id:
            raise WireError(40058, "invalid msgid")
        if mass.cancelled:
            raise WireError(41093)
        return mass

    def _member_for(self, app: App, external: str, sender: str) -> Follow | None:
        follows = self.world.follows_by_contact.get(f"{app.corp_id}|{external}", {})
        if sender:
            return follows.get(sender)
        return max(follows.values(), key=lambda f: (f.last_chat, f.createtime), default=None)

    def _by_tags(self, app: App, sender: str, tag_filter: dict[str, Any]) -> list[str]:
        groups = [set(g.get("tag_list") or []) for g in tag_filter.get("group_list") or []]
        follows = self.world.follows_by_staff.get(f"{app.corp_id}|{sender}", {}).values()
        return [f.external_userid for f in follows if all(set(f.tags) & group for group in groups)]
