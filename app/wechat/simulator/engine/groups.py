"""Customer group chats: who is in them, and the callbacks of what people do there (WeCom docs, path/92120, 92130)."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.contacts import Contacts
from app.wechat.simulator.engine.directory import Directory
from app.wechat.simulator.engine.rows import App, Chat, Customer
from app.wechat.simulator.engine.world import World, derive
from app.wechat.simulator.errors import ControlError, WireError

LIST_WITHOUT_OWNERS = 1000  # visible members above which a list needs owners (81017)


class Groups:
    def __init__(self, world: World, directory: Directory, contacts: Contacts) -> None:
        self.world, self.directory, self.contacts = world, directory, contacts

    # --- people act --------------------------------------------------------------------------------------------

    def create(self, corp_id: str, owner: str, name: str, customers: list[Customer], *, state: str = "") -> Chat:
        """A member opens a group with customers in it (`create`)."""
        world = self.world
        with world.lock:
            self.directory.staff(corp_id, owner)
            now = int(world.now())
            chat_id = "wr" + world.make_id("chat", 30)
            chat = Chat(corp_id, chat_id, name, owner, now)
            chat.members[owner] = {"type": 1, "join_time": now, "join_scene": 1}
            for customer in customers:
                chat.members[customer.external_userids[corp_id]] = self._member(customer, now, 1, owner, state)
            self._turn(chat)
            world.chats.put(chat_id, chat)
            self._tell(chat, "create")
            return chat

    def join(self, chat_id: str, customers: list[Customer], *, scene: int = 3, state: str = "") -> None:
        """Customers come in: `scene` 1 invited, 2 by a link, 3 by a code."""
        with self.world.lock:
            chat = self._standing(chat_id)
            now, before = int(self.world.now()), chat.member_version
            came = [customer.external_userids[chat.corp_id] for customer in customers]
            for customer, external in zip(customers, came, strict=True):
                chat.members[external] = self._member(customer, now, scene, chat.owner, state)
            self._turn(chat)
            self._tell_members(chat, "add_member", came, before, join_scene=0 if scene != 3 else 3)

    def leave(self, chat_id: str, keys: list[str], *, removed: bool = False) -> None:
        """Members go (userids and external userids), by themselves or `removed` by the owner."""
        with self.world.lock:
            chat = self._standing(chat_id)
            before, gone = chat.member_version, [key for key in keys if chat.members.pop(key, None)]
            self._turn(chat)
            self._tell_members(chat, "del_member", gone, before, quit_scene=1 if removed else 0)

    def change(self, chat_id: str, *, name: str | None = None, notice: str | None = None, owner: str = "") -> None:
        """Another name, notice or owner."""
        with self.world.lock:
            chat = self._standing(chat_id)
            if name is not None:
                chat.name = name
                self._tell(chat, "update", UpdateDetail="change_name")
            if notice is not None:
                chat.notice = notice
                self._tell(chat, "update", UpdateDetail="change_notice")
            if owner:
                chat.owner = self.directory.staff(chat.corp_id, owner).userid
                self._tell(chat, "update", UpdateDetail="change_owner")
            self.world.chats.touch(chat_id)

    def dismiss(self, chat_id: str) -> None:
        """The group is no more."""
        with self.world.lock:
            chat = self._standing(chat_id)
            self.world.chats.drop(chat_id)
            self._tell(chat, "dismiss")

    # --- the servers -------------------------------------------------------------------------------------------

    def listing(self, app: App, body: dict[str, Any]) -> list[dict[str, Any]]:
        owners = list((body.get("owner_filter") or {}).get("userid_list") or [])
        if len(owners) > 100 or not body.get("limit"):
            raise WireError(40058)
        staff = [s for s in self.world.staff if s.corp_id == app.corp_id and s.status != 5]
        visible = [s.userid for s in staff if app.visible is None or s.userid in app.visible]
        limit = self.world.value("chat_list_without_owners", LIST_WITHOUT_OWNERS)
        if not owners and len(visible) > limit:
            raise WireError(81017)
        status = int(body.get("status_filter") or 0)
        rows = [
            {"chat_id": chat.chat_id, "status": self._status(chat)}
            for chat in self.world.chats
            if chat.corp_id == app.corp_id
            and (not owners or chat.owner in owners)
            and (app.visible is None or chat.owner in app.visible)
        ]
        return [row for row in rows if not status or row["status"] == status]

    def shape(self, app: App, chat_id: str, *, names: bool) -> dict[str, Any]:
        """One group with its members; 40050 when there is none, 60011 when its owner is out of range."""
        chat = self.world.chats.get(chat_id)
        if chat is None or chat.corp_id != app.corp_id:
            raise WireError(40050)
        if app.visible is not None and chat.owner not in app.visible:
            raise WireError(60011)
        members = [
            {"userid": key, **member} | ({"name": self._name(chat.corp_id, key)} if names else {})
            for key, member in chat.members.items()
        ]
        return {
            "chat_id": chat.chat_id,
            "name": chat.name,
            "owner": chat.owner,
            "create_time": chat.create_time,
            "notice": chat.notice,
            "member_list": members,
            "admin_list": [{"userid": userid} for userid in chat.admins],
            "member_version": chat.member_version,
        }

    # --- inside ------------------------------------------------------------------------------------------------

    def _standing(self, chat_id: str) -> Chat:
        chat = self.world.chats.get(chat_id)
        if chat is None:
            raise ControlError(f"no group chat {chat_id}", 404)
        return chat

    def _member(self, customer: Customer, now: int, scene: int, invitor: str, state: str) -> dict[str, Any]:
        member: dict[str, Any] = {"type": 2, "join_time": now, "join_scene": scene, "group_nickname": ""}
        if customer.unionid:
            member["unionid"] = customer.unionid
        if scene == 1:
            member["invitor"] = {"userid": invitor}
        return member | ({"state": state} if state else {})

    def _status(self, chat: Chat) -> int:
        owner = self.world.staff.get(f"{chat.corp_id}|{chat.owner}")
        return 1 if owner is None or owner.status == 5 else 0

    def _name(self, corp_id: str, key: str) -> str:
        staff = self.world.staff.get(f"{corp_id}|{key}")
        if staff is not None:
            return staff.name
        return self.world.customers.rows[self.world.customer_by_external[f"{corp_id}|{key}"]].name

    def _turn(self, chat: Chat) -> None:
        chat.member_version = derive(32, "members", chat.chat_id, self.world.sequence()).lower()
        self.world.chats.touch(chat.chat_id)

    def _tell(self, chat: Chat, change: str, **extra: Any) -> None:
        scenes = {"JoinScene": 0, "QuitScene": 0, "MemChangeCnt": 0} if change == "update" else {}
        fields = {
            "FromUserName": "sys",
            "CreateTime": int(self.world.now()),
            "MsgType": "event",
            "Event": "change_external_chat",
            "ChangeType": change,
            "ChatId": chat.chat_id,
        }
        self.world.emit(chat.corp_id, fields | scenes | extra)

    def _tell_members(
        self, chat: Chat, detail: str, keys: list[str], before: str, *, join_scene: int = 0, quit_scene: int = 0
    ) -> None:
        self._tell(
            chat,
            "update",
            UpdateDetail=detail,
            JoinScene=join_scene,
            QuitScene=quit_scene,
            MemChangeCnt=len(keys),
            MemChangeList={"Item": keys[0] if len(keys) == 1 else keys},
            LastMemVer=before,
            CurMemVer=chat.member_version,
        )
