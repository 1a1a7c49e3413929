"""Control API: what happens in the corp's office, in customer groups, and what followers and members tap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify

from app.wechat.simulator.control import body, control, engine, need
from app.wechat.simulator.control.actions import corp_of, customers_of, mini_of
from app.wechat.simulator.control.rows import public
from app.wechat.simulator.engine import Engine

Deed = Callable[[Engine, dict[str, Any]], Any]


def _put_staff(machine: Engine, given: dict[str, Any]) -> Any:
    values = {key: value for key, value in given.items() if key not in ("corp_id", "leads")}
    return public(machine.office.put_staff(corp_of(given), values, leads=given.get("leads")))


def _put_department(machine: Engine, given: dict[str, Any]) -> Any:
    values = {key: value for key, value in given.items() if key != "corp_id"}
    return public(machine.office.put_department(corp_of(given), values))


def _follow(machine: Engine, given: dict[str, Any]) -> None:
    machine.fans.follow(_official(machine, given), customers_of(given)[0], scene=given.get("scene", ""))


def _official(machine: Engine, given: dict[str, Any]) -> str:
    return given.get("appid") or machine.directory.default_official()


def _acquisition(machine: Engine, given: dict[str, Any]) -> None:
    change = need(given, "change")
    fields = {key: value for key, value in given.items() if key not in ("corp_id", "change")}
    machine.fans.acquisition(corp_of(given), change, **fields)


DEEDS: dict[str, Deed] = {
    "office/staff": _put_staff,
    "office/staff/rename": lambda m, v: public(
        m.office.rename_staff(corp_of(v), need(v, "userid"), need(v, "new_userid"))
    ),
    "office/staff/delete": lambda m, v: m.office.delete_staff(corp_of(v), need(v, "userid")),
    "office/departments": _put_department,
    "office/departments/delete": lambda m, v: m.office.delete_department(corp_of(v), int(need(v, "id"))),
    "office/tags": lambda m, v: m.office.add_tags(corp_of(v), need(v, "group"), need(v, "names")),
    "office/tags/edit": lambda m, v: m.office.edit_tag(
        corp_of(v), need(v, "id"), name=v.get("name"), order=v.get("order")
    ),
    "office/tags/delete": lambda m, v: m.office.delete_tag(corp_of(v), need(v, "id")),
    "office/tags/shuffle": lambda m, v: m.office.shuffle_tags(corp_of(v), need(v, "id")),
    "groups": lambda m, v: public(
        m.groups.create(corp_of(v), need(v, "owner"), v.get("name", ""), customers_of(v), state=v.get("state", ""))
    ),
    "groups/join": lambda m, v: m.groups.join(need(v, "chat_id"), customers_of(v), scene=int(v.get("scene", 3))),
    "groups/leave": lambda m, v: m.groups.leave(need(v, "chat_id"), need(v, "members"), removed=bool(v.get("removed"))),
    "groups/change": lambda m, v: m.groups.change(
        need(v, "chat_id"), name=v.get("name"), notice=v.get("notice"), owner=v.get("owner", "")
    ),
    "groups/dismiss": lambda m, v: m.groups.dismiss(need(v, "chat_id")),
    "official/follow": _follow,
    "official/unfollow": lambda m, v: m.fans.unfollow(_official(m, v), customers_of(v)[0]),
    "official/click": lambda m, v: m.fans.click(
        _official(m, v), customers_of(v)[0], key=v.get("key", "menu"), view=bool(v.get("view"))
    ),
    "official/write": lambda m, v: m.fans.write(_official(m, v), customers_of(v)[0], need(v, "text")),
    "revoke": lambda m, v: m.fans.revoke(mini_of(v), customers_of(v)[0], v.get("info", "201")),
    "cards/press": lambda m, v: m.fans.press(
        corp_of(v), need(v, "staff"), need(v, "task_id"), need(v, "key"), menu=bool(v.get("menu"))
    ),
    "acquisition": _acquisition,
}


def _do(name: str, deed: Deed) -> Callable[[], Response]:
    def view() -> Response:
        given, machine = body(), engine()
        with machine.world.lock:
            done = deed(machine, given)
        machine.act(name)
        return jsonify(done=done)

    return view


for _name, _deed in DEEDS.items():
    control.add_url_rule(f"/{_name}", _name.replace("/", "_"), _do(_name, _deed), methods=["POST"])
