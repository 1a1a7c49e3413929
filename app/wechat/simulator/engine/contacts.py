"""Who follows whom: adding, unfollowing, deleting, remarks, tags on a relation.

Things a person does raise a callback; the same things done through the API do not (WeCom docs, path/92130).
"""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.codes import Codes
from app.wechat.simulator.engine.directory import Directory
from app.wechat.simulator.engine.rows import App, Customer, Follow, Pending
from app.wechat.simulator.engine.tags import Tags
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

PENDING_LIFE = 90 * 86400


class Contacts:
    def __init__(self, world: World, directory: Directory, codes: Codes, tags: Tags) -> None:
        self.world, self.directory, self.codes, self.tags = world, directory, codes, tags

    # --- people act --------------------------------------------------------------------------------------------

    def add(
        self,
        corp_id: str,
        userid: str,
        customers: list[Customer],
        *,
        state: str | None = None,
        add_way: int = 1,
        welcome: bool = True,
        createtime: int | None = None,
    ) -> list[dict[str, Any]]:
        """Customers add a member, all with the same CreateTime. One `add_external_contact` callback each."""
        world = self.world
        with world.lock:
            staff = self.directory.staff(corp_id, userid)
            if staff.status != 1 or not staff.can_contact:
                raise ControlError(f"{userid} cannot be added as a contact", 409)
            moment = int(world.now()) if createtime is None else createtime
            added = []
            for customer in customers:
                external = customer.external_userids[corp_id]
                code = None
                if welcome and not staff.console_welcome:
                    code = self.codes.issue("welcome", corp_id, external, userid=userid, customer=customer.id)
                self.put(corp_id, userid, customer, createtime=moment, state=state, add_way=add_way)
                fields = self.event("add_external_contact", userid, external, moment, State=state, WelcomeCode=code)
                world.emit(corp_id, fields)
                added.append(
                    {
                        "customer": customer.id,
                        "external_userid": external,
                        "userid": userid,
                        "createtime": moment,
                        "state": state,
                        "welcome_code": code,
                    }
                )
            return added

    def put(self, corp_id: str, userid: str, customer: Customer, **values: Any) -> Follow:
        """The relation itself, without a callback (also how a history is imported)."""
        world = self.world
        with world.lock:
            external = customer.external_userids[corp_id]
            values = {k: v for k, v in values.items() if v is not None}
            values.setdefault("createtime", int(world.now()))
            key = f"{corp_id}|{userid}|{external}"
            old = world.follows.get(key)
            if old is not None:
                values = {
                    "remark": old.remark,
                    "description": old.description,
                    "tags": old.tags,
                    "remark_mobiles": old.remark_mobiles,
                    **values,
                }
            follow = world.follows.put(key, Follow(corp_id, userid, external, customer.id, **values))
            world.index_follow(follow)
            return follow

    def unfollow(self, corp_id: str, userid: str, customer: Customer) -> None:
        """The customer deletes the member: the member still sees the customer (del_follow_user)."""
        with self.world.lock:
            follow = self._relation(corp_id, userid, customer)
            follow.lost = True
            self.world.follows.touch(self._key(follow))
            self.world.emit(corp_id, self.event("del_follow_user", userid, follow.external_userid))

    def delete(self, corp_id: str, userid: str, customer: Customer, source: str | None = None) -> None:
        """The member deletes the customer: the relation is gone, APIs answer 84061 (del_external_contact)."""
        with self.world.lock:
            follow = self._relation(corp_id, userid, customer)
            self.world.drop_follow(follow)
            self.world.emit(corp_id, self.event("del_external_contact", userid, follow.external_userid, Source=source))

    def edit(self, corp_id: str, userid: str, customer: Customer, **values: Any) -> None:
        """The member edits remark or tags in the client (edit_external_contact, without saying what changed)."""
        with self.world.lock:
            follow = self._relation(corp_id, userid, customer)
            for name, value in values.items():
                setattr(follow, name, value)
            self.world.follows.touch(self._key(follow))
            self.world.emit(corp_id, self.event("edit_external_contact", userid, follow.external_userid))

    # --- the servers -------------------------------------------------------------------------------------------

    def of_staff(self, app: App, userid: str) -> list[Follow]:
        self.directory.visible_staff(app, userid)
        return list(self.world.follows_by_staff.get(f"{app.corp_id}|{userid}", {}).values())

    def relation(self, app: App, userid: str, external: str) -> Follow:
        self.directory.visible_staff(app, userid)
        if f"{app.corp_id}|{external}" not in self.world.customer_by_external:
            raise WireError(40096)
        follow = self.world.follows_by_staff.get(f"{app.corp_id}|{userid}", {}).get(external)
        if follow is None:
            raise WireError(84061)
        return follow

    def followers(self, app: App, external: str) -> tuple[Customer, list[Follow]]:
        customer_id = self.world.customer_by_external.get(f"{app.corp_id}|{external}")
        if customer_id is None:
            raise WireError(40096)
        follows = [
            f
            for f in self.world.follows_by_contact.get(f"{app.corp_id}|{external}", {}).values()
            if app.visible is None or f.userid in app.visible
        ]
        if not follows:
            raise WireError(84061)
        return self.world.customers.rows[customer_id], sorted(follows, key=lambda f: (f.createtime, f.userid))

    def remark(self, app: App, body: dict[str, Any]) -> None:
        follow = self.relation(app, str(body.get("userid", "")), str(body.get("external_userid", "")))
        names = {
            "remark": "remark",
            "description": "description",
            "remark_company": "remark_corp_name",
            "remark_mobiles": "remark_mobiles",
        }
        if not set(body) & {*names, "remark_pic_mediaid"}:
            raise WireError(40058)
        for name, limit in (("remark", 20), ("description", 150), ("remark_company", 20)):
            if len(str(body.get(name, ""))) > limit:
                raise WireError(40058, f"{name} is too long")
        for name, attribute in names.items():
            if name in body:
                setattr(follow, attribute, body[name])
        self.world.follows.touch(self._key(follow))

    def mark_tag(self, app: App, body: dict[str, Any]) -> None:
        follow = self.relation(app, str(body.get("userid", "")), str(body.get("external_userid", "")))
        add, remove = list(body.get("add_tag") or []), list(body.get("remove_tag") or [])
        if not add and not remove:
            raise WireError(40058)
        known = self.tags.names(app.corp_id)
        if any(tag not in known for tag in [*add, *remove]):
            raise WireError(40068)
        follow.tags = [t for t in dict.fromkeys([*follow.tags, *add]) if t not in remove]
        self.world.follows.touch(self._key(follow))

    def convert(self, app: App, unionid: str, openid: str) -> dict[str, str]:
        """The external_userid of a mini-program user, or while nobody follows them a pending id of 90 days."""
        world = self.world
        customer = next((c for c in world.customers if c.unionid and c.unionid == unionid), None)
        if customer is None or (openid and openid not in customer.openids.values()):
            raise WireError(845001)
        external = customer.external_userids[app.corp_id]
        if world.follows_by_contact.get(f"{app.corp_id}|{external}"):
            return {"external_userid": external}
        key = f"{app.corp_id}|{external}"
        row = world.pendings.get(key)
        if row is None or world.now() - row.issued >= PENDING_LIFE:
            row = world.pendings.put(
                key, Pending(app.corp_id, "pd" + world.make_id("pending", 30), external, world.now())
            )
        return {"pending_id": row.pending_id}

    def pending_ids(self, app: App, externals: list[str]) -> list[dict[str, str]]:
        """The pending ids these customers had before they were customers, while they live."""
        if not 1 <= len(externals) <= 100:
            raise WireError(40058)
        rows = [(external, self.world.pendings.get(f"{app.corp_id}|{external}")) for external in externals]
        return [
            {"external_userid": external, "pending_id": row.pending_id}
            for external, row in rows
            if row is not None and self.world.now() - row.issued < PENDING_LIFE
        ]

    # --- inside ------------------------------------------------------------------------------------------------

    def _relation(self, corp_id: str, userid: str, customer: Customer) -> Follow:
        external = customer.external_userids.get(corp_id, "")
        follow = self.world.follows_by_staff.get(f"{corp_id}|{userid}", {}).get(external)
        if follow is None:
            raise ControlError(f"{userid} has no contact {customer.id}", 404)
        return follow

    def _key(self, follow: Follow) -> str:
        return f"{follow.corp_id}|{follow.userid}|{follow.external_userid}"

    def event(self, change: str, userid: str, external: str, moment: int | None = None, **extra: Any) -> dict[str, Any]:
        # FromUserName is always "sys" and CreateTime has whole seconds, so neither tells two events apart.
        fields = {
            "FromUserName": "sys",
            "CreateTime": int(self.world.now()) if moment is None else moment,
            "MsgType": "event",
            "Event": "change_external_contact",
            "ChangeType": change,
            "UserID": userid,
            "ExternalUserID": external,
        }
        return fields | {name: value for name, value in extra.items() if value}
