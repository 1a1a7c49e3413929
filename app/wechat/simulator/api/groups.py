"""WeCom: customer group chats (path/92120, path/92122)."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.api import Call, api


@api("/cgi-bin/externalcontact/groupchat/list", empty=("group_chat_list",))
def groupchat_list(call: Call) -> dict[str, Any]:
    page, cursor = call.page(call.engine.groups.listing(call.app, call.body), default=1000, most=1000)
    return {"group_chat_list": page, "next_cursor": cursor}


@api("/cgi-bin/externalcontact/groupchat/get")
def groupchat_get(call: Call) -> dict[str, Any]:
    names = int(call.body.get("need_name") or 0) == 1
    return {"group_chat": call.engine.groups.shape(call.app, call.text("chat_id"), names=names)}
