"""Customer acquisition links (获客链接; WeCom docs, path/97297). A link is kept as a contact way of its own scene."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.api import Call, api
from app.wechat.simulator.engine.rows import ContactWay
from app.wechat.simulator.engine.tags import LINK_SCENE
from app.wechat.simulator.errors import WireError

BASE = "/cgi-bin/externalcontact/customer_acquisition/"


def _url(call: Call, link: ContactWay) -> str:
    return f"{call.public_url}/scan/{link.config_id}"


def _link(call: Call) -> ContactWay:
    link = call.engine.world.ways.get(call.text("link_id"))
    if link is None or link.corp_id != call.app.corp_id or link.scene != LINK_SCENE:
        raise WireError(40058, "invalid link_id")
    return link


@api(BASE + "create_link")
def create_link(call: Call) -> dict[str, Any]:
    link = call.engine.ways.add_link(call.app, call.body)
    shown = {
        "link_id": link.config_id,
        "link_name": link.remark,
        "url": _url(call, link),
        "create_time": link.created,
    }
    return {"link": shown}


@api(BASE + "update_link")
def update_link(call: Call) -> dict[str, Any]:
    call.engine.ways.update_link(call.app, _link(call), call.body)
    return {}


@api(BASE + "delete_link")
def delete_link(call: Call) -> dict[str, Any]:
    call.engine.world.ways.drop(_link(call).config_id)
    return {}


@api(BASE + "get")
def get_link(call: Call) -> dict[str, Any]:
    link = _link(call)
    return {
        "link": {
            "link_name": link.remark,
            "url": _url(call, link),
            "create_time": link.created,
            "skip_verify": link.skip_verify,
        },
        "range": {"user_list": link.user, "department_list": link.party},
    }


@api(BASE + "list_link", empty=("link_id_list",))
def list_link(call: Call) -> dict[str, Any]:
    world, corp_id = call.engine.world, call.app.corp_id
    rows = [way.config_id for way in world.ways if way.corp_id == corp_id and way.scene == LINK_SCENE]
    page, cursor = call.page(rows, default=100, most=100)
    return {"link_id_list": page, "next_cursor": cursor}
