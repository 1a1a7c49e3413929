"""What reaches a phone: welcome messages, app messages to members, subscribe messages, chat."""

from __future__ import annotations

import re
from typing import Any

from app.wechat.simulator.engine.directory import Directory
from app.wechat.simulator.engine.rows import App, MiniProgram, Sent
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import WireError

KEEP = 50_000  # sent rows kept; the oldest go first
DUPLICATE_CHECK_MOST = 14_400  # seconds
MEMBER_PER_MINUTE, MEMBER_PER_HOUR = 30, 1000
# Field kinds of a subscribe message and what fits: a longer value makes the whole send fail with 47003.
LIMITS = {
    "thing": 20,
    "number": 32,
    "letter": 32,
    "character_string": 32,
    "symbol": 5,
    "phone_number": 17,
    "car_number": 8,
    "name": 20,
    "phrase": 5,
}


class Messages:
    def __init__(self, world: World, directory: Directory) -> None:
        self.world, self.directory = world, directory
        self._per_member: dict[str, list[float]] = {}
        self._repeatable: dict[str, float] = {}

    def record(
        self, kind: str, receiver: str, to: str, sender: str, content: dict[str, Any], *, dropped: bool = False
    ) -> Sent:
        world = self.world
        with world.lock:
            row = Sent(world.sequence(), kind, world.now(), receiver, to, sender, content, dropped)
            world.sent.put(str(row.seq), row)
            if len(world.sent) > KEEP:
                for key in list(world.sent.rows)[: KEEP // 10]:
                    world.sent.drop(key)
            return row

    def chat(self, corp_id: str, userid: str, external: str, content: dict[str, Any]) -> Sent:
        """A message the member sends by hand, such as through the sidebar's sendChatMessage."""
        with self.world.lock:
            follow = self.world.follows_by_staff.get(f"{corp_id}|{userid}", {}).get(external)
            if follow is not None:
                follow.last_chat = self.world.now()
                self.world.follows.touch(f"{corp_id}|{userid}|{external}")
            return self.record("chat", corp_id, external, userid, content, dropped=follow is None or follow.lost)

    # --- welcome -----------------------------------------------------------------------------------------------

    def welcome(self, app: App, body: dict[str, Any]) -> None:
        """20 seconds, once: 41050 for a code that is unknown or too old, 41051 for one that was used."""
        world = self.world
        value = str(body.get("welcome_code", ""))
        code = world.codes.get(value)
        if code is None or code.kind != "welcome" or code.receiver != app.corp_id:
            raise WireError(41050)
        if code.used_at is not None:
            raise WireError(41051)
        if code.expires_at <= world.now():
            raise WireError(41050)
        content = self.content_of(body)
        code.used_at = world.now()
        world.codes.touch(value)
        waited = round(world.now() - (code.expires_at - 20), 3)
        self.record("welcome", app.corp_id, code.subject, code.data["userid"], content | {"seconds": waited})

    @staticmethod
    def content_of(body: dict[str, Any]) -> dict[str, Any]:
        """Text and attachments of a welcome or mass message, checked as Tencent checks them."""
        text = str((body.get("text") or {}).get("content", ""))
        attachments = list(body.get("attachments") or [])
        if not text and not attachments:
            raise WireError(44004)
        if len(text.encode()) > 4000:
            raise WireError(45002)
        if len(attachments) > 9:
            raise WireError(40058, "too many attachments")
        for item in attachments:
            kind = item.get("msgtype")
            if kind not in ("image", "link", "miniprogram", "video", "file") or not isinstance(item.get(kind), dict):
                raise WireError(40058, "invalid attachment")
            needed = {"link": ("title", "url"), "miniprogram": ("title", "pic_media_id", "appid", "page")}.get(kind, ())
            if any(not item[kind].get(name) for name in needed):
                raise WireError(40063)
            if len(str(item[kind].get("title", "")).encode()) > (64 if kind == "miniprogram" else 128):
                raise WireError(45002)
        return {"text": text, "attachments": attachments}

    # --- members -----------------------------------------------------------------------------------------------

    def send_app(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        """message/send. Unknown members come back lower-cased and joined by `|`; over 30 a minute is silently lost."""
        if int(body.get("agentid") or 0) != app.agent_id:
            raise WireError(40056 if not body.get("agentid") else 301002)
        kind = str(body.get("msgtype", ""))
        if kind not in ("text", "textcard", "markdown", "image", "news", "file", "miniprogram_notice", "template_card"):
            raise WireError(40004, "invalid message type")
        if not isinstance(body.get(kind), dict):
            raise WireError(44004)
        world = self.world
        wanted = [u for u in str(body.get("touser", "")).split("|") if u]
        parties = [int(p) for p in str(body.get("toparty", "")).split("|") if p.isdigit()]
        everybody = {
            s.userid.lower(): s.userid
            for s in world.staff
            if s.corp_id == app.corp_id and s.status == 1 and (app.visible is None or s.userid in app.visible)
        }
        if wanted == ["@all"]:
            known, unknown = list(everybody.values()), []
        else:
            known = [everybody[u.lower()] for u in wanted if u.lower() in everybody]
            unknown = [u.lower() for u in wanted if u.lower() not in everybody]
            for party in parties:
                inside = {d.id for d in self.directory.department_tree(app.corp_id, party)}
                known += [
                    u for u in everybody.values() if set(world.staff.rows[f"{app.corp_id}|{u}"].departments) & inside
                ]
        if not known:
            raise WireError(81013)
        for userid in dict.fromkeys(known):
            if self._repeated(f"{app.corp_id}|{app.agent_id}|{userid}|{kind}|{sorted(body[kind].items())}", body):
                continue
            self.record(
                "app",
                app.corp_id,
                userid,
                "",
                {"agent_id": app.agent_id, "msgtype": kind, kind: body[kind]},
                dropped=self._over_limit(f"{app.corp_id}|{app.agent_id}|{userid}"),
            )
        answer = {"msgid": world.make_id("msgid", 40), "invaliduser": "|".join(unknown)}
        if kind == "template_card":
            answer["response_code"] = world.make_id("response", 43)
        return answer

    def _repeated(self, key: str, body: dict[str, Any]) -> bool:
        """With enable_duplicate_check the same content to a member is accepted, and not sent, for the interval."""
        if not body.get("enable_duplicate_check"):
            return False
        now = self.world.now()
        if len(self._repeatable) > KEEP:
            self._repeatable = {k: t for k, t in self._repeatable.items() if t > now - DUPLICATE_CHECK_MOST}
        interval = min(int(body.get("duplicate_check_interval") or 1800), DUPLICATE_CHECK_MOST)
        if self._repeatable.get(key, 0) > now - interval:
            return True
        self._repeatable[key] = now
        return False

    def _over_limit(self, key: str) -> bool:
        now = self.world.now()
        times = [t for t in self._per_member.get(key, []) if t > now - 3600]
        over = len([t for t in times if t > now - 60]) >= MEMBER_PER_MINUTE or len(times) >= MEMBER_PER_HOUR
        self._per_member[key] = times if over else [*times, now]
        return over

    # --- subscribe messages ------------------------------------------------------------------------------------

    def subscribe(self, appid: str, openid: str, answers: dict[str, bool]) -> None:
        """The shopper answers the prompt (`template id -> accepted`): one send each, and a popup event."""
        with self.world.lock:
            for template, accepted in answers.items():
                if accepted:
                    key = f"subscribed|{appid}|{openid}|{template}"
                    self.world.set_value(key, int(self.world.value(key, 0)) + 1)
            rows = [
                {"TemplateId": t, "SubscribeStatusString": "accept" if ok else "reject", "PopupScene": "1"}
                for t, ok in answers.items()
            ]
            self._push(appid, openid, "subscribe_msg_popup_event", "SubscribeMsgPopupEvent", rows)

    def send_subscribe(self, mini: MiniProgram, body: dict[str, Any]) -> dict[str, Any]:
        world = self.world
        openid, template = str(body.get("touser", "")), str(body.get("template_id", ""))
        if f"{mini.appid}|{openid}" not in world.customer_by_openid:
            raise WireError(40003, "invalid openid")
        if not template:
            raise WireError(40037)
        data = body.get("data")
        if not isinstance(data, dict) or not data:
            raise WireError(47003)
        for name, item in data.items():
            limit = LIMITS.get(re.sub(r"\d+$", "", name))
            if limit is not None and len(str((item or {}).get("value", ""))) > limit:
                raise WireError(47003, f"argument invalid! data.{name}.value invalid")
        key = f"subscribed|{mini.appid}|{openid}|{template}"
        left = int(world.value(key, 0))
        if left <= 0:
            raise WireError(43101)
        world.set_value(key, left - 1)
        row = self.record(
            "subscribe", mini.appid, openid, "", {"template_id": template, "data": data, "page": body.get("page", "")}
        )
        self._push(
            mini.appid,
            openid,
            "subscribe_msg_sent_event",
            "SubscribeMsgSentEvent",
            [{"TemplateId": template, "MsgID": str(row.seq), "ErrorCode": "0", "ErrorStatus": "success"}],
        )
        return {"msgid": row.seq}

    def _push(self, appid: str, openid: str, event: str, wrapper: str, rows: list[dict[str, Any]]) -> None:
        self.world.emit(
            appid,
            {
                "FromUserName": openid,
                "CreateTime": int(self.world.now()),
                "MsgType": "event",
                "Event": event,
                wrapper: {"List": rows if len(rows) != 1 else rows[0]},
            },
        )
