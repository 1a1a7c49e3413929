"""What happens in the corp's office: the address book and the tag library, edited in the admin console.

Other than through the API these edits raise callbacks (WeCom docs, path/90970, 92130).
"""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.directory import Directory, required
from app.wechat.simulator.engine.rows import Department, Staff
from app.wechat.simulator.engine.tags import Tags
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError


class Office:
    def __init__(self, world: World, directory: Directory, tags: Tags) -> None:
        self.world, self.directory, self.tags = world, directory, tags

    # --- address book --------------------------------------------------------------------------------------------

    def put_staff(self, corp_id: str, values: dict[str, Any], *, leads: list[int] | None = None) -> Staff:
        """Somebody comes (create_user), or something about them changes (update_user; `status` 5: they left).
        `leads`: the departments they lead from now on.
        """
        with self.world.lock:
            known = f"{corp_id}|{required(values, 'userid')}" in self.world.staff
            staff = self.directory.put_staff({**values, "corp_id": corp_id})
            if leads is not None:
                self._lead(staff, leads)
            fields: dict[str, Any] = {"UserID": staff.userid}
            if "departments" in values or not known:
                fields["Department"] = ",".join(map(str, staff.departments))
            if "name" in values:
                fields["Name"] = staff.name
            if "status" in values:
                fields["Status"] = staff.status
            self._tell(corp_id, "change_contact", "update_user" if known else "create_user", **fields)
            return staff

    def rename_staff(self, corp_id: str, userid: str, new_userid: str) -> Staff:
        """A member gets another userid (update_user with NewUserID): everything of theirs goes along."""
        world = self.world
        with world.lock:
            staff = self.directory.staff(corp_id, userid)
            if f"{corp_id}|{new_userid}" in world.staff:
                raise ControlError(f"{new_userid} is taken", 409)
            world.staff.drop(f"{corp_id}|{userid}")
            staff.userid = new_userid
            world.staff.put(f"{corp_id}|{new_userid}", staff)
            for follow in [one for one in world.follows if (one.corp_id, one.userid) == (corp_id, userid)]:
                world.drop_follow(follow)
                follow.userid = new_userid
                world.follows.put(f"{corp_id}|{new_userid}|{follow.external_userid}", follow)
                world.index_follow(follow)
            for chat in world.chats:
                if chat.corp_id == corp_id:
                    chat.owner = new_userid if chat.owner == userid else chat.owner
                    chat.members = {new_userid if key == userid else key: who for key, who in chat.members.items()}
                    world.chats.touch(chat.chat_id)
            for row in world.departments:
                row.leaders = [new_userid if one == userid else one for one in row.leaders]
            self._tell(corp_id, "change_contact", "update_user", UserID=userid, NewUserID=new_userid)
            return staff

    def delete_staff(self, corp_id: str, userid: str) -> None:
        """A member is taken out of the address book (delete_user). Their customers wait for somebody to take them."""
        with self.world.lock:
            staff = self.directory.staff(corp_id, userid)
            self.directory.put_staff({"corp_id": corp_id, "userid": userid, "status": 5})
            self._lead(staff, [])
            self._tell(corp_id, "change_contact", "delete_user", UserID=userid)

    def put_department(self, corp_id: str, values: dict[str, Any]) -> Department:
        """create_party, or update_party with the name and parent."""
        with self.world.lock:
            known = f"{corp_id}|{required(values, 'id')}" in self.world.departments
            row = self.directory.put_department({**values, "corp_id": corp_id})
            fields: dict[str, Any] = {"Id": row.id, "Name": row.name, "ParentId": row.parentid}
            if not known:
                fields["Order"] = row.order
            self._tell(corp_id, "change_contact", "update_party" if known else "create_party", **fields)
            return row

    def delete_department(self, corp_id: str, number: int) -> None:
        """Only an empty one without departments below it can be deleted (delete_party)."""
        with self.world.lock:
            if f"{corp_id}|{number}" not in self.world.departments:
                raise ControlError(f"no department {number}", 404)
            inside = [s for s in self.world.staff if s.corp_id == corp_id and number in s.departments and s.status != 5]
            if inside or len(self.directory.department_tree(corp_id, number)) > 1:
                raise ControlError(f"department {number} is not empty", 409)
            self.world.departments.drop(f"{corp_id}|{number}")
            self._tell(corp_id, "change_contact", "delete_party", Id=number)

    def _lead(self, staff: Staff, leads: list[int]) -> None:
        for row in self.world.departments:
            if row.corp_id == staff.corp_id:
                others = [one for one in row.leaders if one != staff.userid]
                row.leaders = [*others, staff.userid] if row.id in leads else others
                self.world.departments.touch(f"{row.corp_id}|{row.id}")

    # --- tag library -----------------------------------------------------------------------------------------------

    def add_tags(self, corp_id: str, group_name: str, names: list[str]) -> list[str]:
        """New tags of a group, one event each, all in one second; the group's own event first where it is new."""
        with self.world.lock:
            app = next(app for app in self.world.apps if app.corp_id == corp_id)
            before = {group.group_id for group in self.world.tag_groups}
            known = set(self.tags.names(corp_id))
            answer = self.tags.add(app, {"group_name": group_name, "tag": [{"name": name} for name in names]})
            if answer["group_id"] not in before:
                self._tell_tag(corp_id, "create", answer["group_id"], "tag_group")
            added = [tag["id"] for tag in answer["tag"] if tag["id"] not in known]
            for tag_id in added:
                self._tell_tag(corp_id, "create", tag_id, "tag")
            return added

    def edit_tag(self, corp_id: str, key: str, *, name: str | None = None, order: int | None = None) -> None:
        """Another name or place of a tag or group."""
        with self.world.lock:
            app = next(app for app in self.world.apps if app.corp_id == corp_id)
            changes = {"name": name, "order": order}
            self.tags.edit(app, {"id": key} | {k: v for k, v in changes.items() if v is not None})
            self._tell_tag(corp_id, "update", key, self._kind(key))

    def delete_tag(self, corp_id: str, key: str) -> None:
        """A tag, or a group with all its tags, of which WeCom tells nothing."""
        with self.world.lock:
            app = next(app for app in self.world.apps if app.corp_id == corp_id)
            kind = self._kind(key)
            self.tags.delete(app, {"group_id" if kind == "tag_group" else "tag_id": [key]})
            self._tell_tag(corp_id, "delete", key, kind)

    def shuffle_tags(self, corp_id: str, group_id: str) -> None:
        """The tags of a group get another order, told by one event."""
        with self.world.lock:
            group = self.world.tag_groups.get(group_id)
            if group is None or group.corp_id != corp_id:
                raise ControlError(f"no tag group {group_id}", 404)
            for place, tag in enumerate(reversed(group.tags), 1):
                tag["order"] = place
            self.world.tag_groups.touch(group_id)
            self._tell(corp_id, "change_external_tag", "shuffle", Id=group_id)

    def _kind(self, key: str) -> str:
        return "tag_group" if key in self.world.tag_groups else "tag"

    def _tell_tag(self, corp_id: str, change: str, key: str, kind: str) -> None:
        self._tell(corp_id, "change_external_tag", change, Id=key, TagType=kind)

    def _tell(self, corp_id: str, event: str, change: str, **fields: Any) -> None:
        self.world.emit(
            corp_id,
            {
                "FromUserName": "sys",
                "CreateTime": int(self.world.now()),
                "MsgType": "event",
                "Event": event,
                "ChangeType": change,
                **fields,
            },
        )
