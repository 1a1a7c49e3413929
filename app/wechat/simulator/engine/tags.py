"""The corp's tag library and contact ways (渠道活码)."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.rows import App, ContactWay, TagGroup
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import WireError

TAG_NAME_LIMIT = 30


class Tags:
    def __init__(self, world: World) -> None:
        self.world = world

    def names(self, corp_id: str) -> dict[str, tuple[str, str]]:
        """tag id -> (group name, tag name)."""
        return {
            tag["id"]: (group.group_name, tag["name"])
            for group in self.world.tag_groups
            if group.corp_id == corp_id
            for tag in group.tags
        }

    def listing(self, app: App, tag_ids: list[str], group_ids: list[str]) -> list[dict[str, Any]]:
        groups = [g for g in self.world.tag_groups if g.corp_id == app.corp_id]
        if group_ids:
            groups = [g for g in groups if g.group_id in group_ids]
        elif tag_ids:
            groups = [g for g in groups if any(t["id"] in tag_ids for t in g.tags)]
        return [self._shape(g, [t for t in g.tags if not tag_ids or group_ids or t["id"] in tag_ids]) for g in groups]

    def add(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        """A group of the same name is reused; a tag name that is there already is answered, not doubled."""
        wanted = list(body.get("tag") or [])
        if not wanted or any(not tag.get("name") or len(tag["name"]) > TAG_NAME_LIMIT for tag in wanted):
            raise WireError(40058)
        now = int(self.world.now())
        group = next(
            (
                g
                for g in self.world.tag_groups
                if g.corp_id == app.corp_id
                and (g.group_id == body.get("group_id") or g.group_name == body.get("group_name"))
            ),
            None,
        )
        if group is None:
            if not body.get("group_name"):
                raise WireError(40068)
            group_id = "et" + self.world.make_id("tag-group", 30)
            group = TagGroup(app.corp_id, group_id, body["group_name"], now, int(body.get("order") or 0))
            self.world.tag_groups.put(group_id, group)
        answered = []
        for item in wanted:
            tag = next((t for t in group.tags if t["name"] == item["name"]), None)
            if tag is None:
                tag = {
                    "id": "et" + self.world.make_id("tag", 30),
                    "name": item["name"],
                    "create_time": now,
                    "order": int(item.get("order") or 0),
                }
                group.tags.append(tag)
            answered.append(tag)
        self.world.tag_groups.touch(group.group_id)
        return self._shape(group, answered)

    def edit(self, app: App, body: dict[str, Any]) -> None:
        changes: dict[str, Any] = {k: body[k] for k in ("name", "order") if k in body}
        for group in self.world.tag_groups:
            if group.corp_id != app.corp_id:
                continue
            if group.group_id == body.get("id"):
                group.group_name = changes.get("name", group.group_name)
                group.order = changes.get("order", group.order)
                return self.world.tag_groups.touch(group.group_id)
            for tag in group.tags:
                if tag["id"] == body.get("id"):
                    if any(t["name"] == changes.get("name") and t is not tag for t in group.tags):
                        raise WireError(40071)
                    tag.update(changes)
                    return self.world.tag_groups.touch(group.group_id)
        raise WireError(40068)

    def delete(self, app: App, body: dict[str, Any]) -> None:
        tag_ids, group_ids = set(body.get("tag_id") or []), set(body.get("group_id") or [])
        if not tag_ids and not group_ids:
            raise WireError(40058)
        for group in list(self.world.tag_groups):
            if group.corp_id != app.corp_id:
                continue
            group.tags = [t for t in group.tags if t["id"] not in tag_ids and group.group_id not in group_ids]
            if not group.tags:
                self.world.tag_groups.drop(group.group_id)
            else:
                self.world.tag_groups.touch(group.group_id)
        left = self.names(app.corp_id)
        for key, follow in self.world.follows.rows.items():
            if follow.corp_id == app.corp_id and any(t not in left for t in follow.tags):
                follow.tags = [t for t in follow.tags if t in left]
                self.world.follows.touch(key)

    def _shape(self, group: TagGroup, tags: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "group_id": group.group_id,
            "group_name": group.group_name,
            "create_time": group.create_time,
            "order": group.order,
            "tag": [dict(t) for t in tags],
        }


LINK_SCENE = 3  # a customer acquisition link: kept beside the contact ways, which have scene 1 or 2


class Ways:
    def __init__(self, world: World) -> None:
        self.world = world

    def add_link(self, app: App, body: dict[str, Any]) -> ContactWay:
        """An acquisition link; its name stands in `remark`."""
        name, fields = self._link_fields(app, body)
        link_id = self.world.make_id("link", 24)
        link = ContactWay(app.corp_id, link_id, 2, LINK_SCENE, int(self.world.now()), remark=name, **fields)
        return self.world.ways.put(link_id, link)

    def update_link(self, app: App, link: ContactWay, body: dict[str, Any]) -> None:
        given = {"link_name": link.remark, "range": {"user_list": link.user}, "skip_verify": link.skip_verify, **body}
        link.remark, fields = self._link_fields(app, given)
        link.user, link.skip_verify = fields["user"], fields["skip_verify"]
        self.world.ways.touch(link.config_id)

    def _link_fields(self, app: App, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name, users = str(body.get("link_name", "")), list(body.get("range", {}).get("user_list") or [])
        if not 1 <= len(name) <= 30 or not 1 <= len(users) <= 500:
            raise WireError(40058)
        fields = self._fields(app, {"user": users, "skip_verify": body.get("skip_verify", True)}, 2, most=500)
        return name, {"user": fields["user"], "skip_verify": fields["skip_verify"]}

    def add(self, app: App, body: dict[str, Any]) -> ContactWay:
        kind, scene = body.get("type"), body.get("scene")
        if kind not in (1, 2) or scene not in (1, 2):
            raise WireError(41038 if kind in (1, 2) else 40058)
        fields = self._fields(app, body, kind)
        config_id = self.world.make_id("way", 32).lower()
        way = ContactWay(app.corp_id, config_id, kind, scene, int(self.world.now()), **fields)
        return self.world.ways.put(config_id, way)

    def update(self, app: App, body: dict[str, Any]) -> None:
        way = self.get(app, body)
        for name, value in self._fields(app, {"user": way.user, **body}, way.type).items():
            if name in body:
                setattr(way, name, value)
        self.world.ways.touch(way.config_id)

    def get(self, app: App, body: dict[str, Any]) -> ContactWay:
        way = self.world.ways.get(str(body.get("config_id", "")))
        if way is None or way.corp_id != app.corp_id or way.scene == LINK_SCENE:
            raise WireError(41044)
        return way

    def _fields(self, app: App, body: dict[str, Any], kind: int, *, most: int = 100) -> dict[str, Any]:
        users = list(body.get("user") or [])
        if (kind == 1 and len(users) != 1) or (not users and not body.get("party")) or len(users) > most:
            raise WireError(40058)
        for userid in users:
            staff = self.world.staff.get(f"{app.corp_id}|{userid}")
            if staff is None:
                raise WireError(40098, "userid not found")
            if staff.status != 1:
                raise WireError(41054)
            if not staff.can_contact:
                raise WireError(84074)
        if len(str(body.get("state", ""))) > 30 or len(str(body.get("remark", ""))) > 30:
            raise WireError(40058, "state or remark is too long")
        return {
            "style": int(body.get("style") or 0),
            "remark": str(body.get("remark", "")),
            "skip_verify": bool(body.get("skip_verify", True)),
            "state": str(body.get("state", "")),
            "user": users,
            "party": list(body.get("party") or []),
            "is_exclusive": bool(body.get("is_exclusive", False)),
        }

    def shape(self, way: ContactWay, qr_code: str) -> dict[str, Any]:
        answer = {
            name: getattr(way, name)
            for name in (
                "config_id",
                "type",
                "scene",
                "style",
                "remark",
                "skip_verify",
                "state",
                "user",
                "party",
                "is_exclusive",
            )
        }
        return answer | ({"qr_code": qr_code} if way.scene == 2 else {})

    def member_of(self, way: ContactWay) -> str:
        """Whom a customer gets who scans the code now: one of the way's active members."""
        users = [u for u in way.user if self.world.staff.rows[f"{way.corp_id}|{u}"].status == 1]
        if not users:
            users = [
                s.userid
                for s in self.world.staff
                if s.corp_id == way.corp_id and s.status == 1 and set(s.departments) & set(way.party)
            ]
        if not users:
            raise WireError(41054)
        return self.world.random.choice(users)
