"""WeCom: tokens, address book, OAuth, messages to members, media.

Shapes follow the public documentation samples (developer.work.weixin.qq.com, the path given at each group).
"""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from app.wechat.simulator.api import Call, api
from app.wechat.simulator.engine.rows import Department, Media, Staff
from app.wechat.simulator.errors import WireError

MEDIA_LIMIT = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
MEDIA_KEPT = 20 << 20  # bytes of uploads kept in memory for the client pages


# --- credentials (path/91039, path/90506, path/98176) ------------------------------------------------------------


@api("/cgi-bin/gettoken", "GET", credential="none")
def gettoken(call: Call) -> dict[str, Any]:
    return call.engine.tokens.gettoken(call.text("corpid"), call.text("corpsecret"))


@api("/cgi-bin/get_jsapi_ticket", "GET")
def get_jsapi_ticket(call: Call) -> dict[str, Any]:
    return call.engine.tokens.ticket("jsapi", call.app.corp_id, None)


@api("/cgi-bin/ticket/get", "GET")
def ticket_get(call: Call) -> dict[str, Any]:
    if call.text("type") != "agent_config":
        raise WireError(40058, "invalid ticket type")
    return call.engine.tokens.ticket("agent", call.app.corp_id, call.app.agent_id)


@api("/cgi-bin/getcallbackip", "GET")
@api("/cgi-bin/get_api_domain_ip", "GET")
def getcallbackip(call: Call) -> dict[str, Any]:
    return {"ip_list": ["127.0.0.1", "101.226.103.*"]}  # real answers hold wildcards too


@api("/cgi-bin/auth/getuserinfo", "GET")
def getuserinfo(call: Call) -> dict[str, Any]:
    if not call.text("code"):
        raise WireError(41008)
    return call.engine.codes.user_info(call.app, call.text("code"))


@api("/cgi-bin/auth/getuserdetail")
def getuserdetail(call: Call) -> dict[str, Any]:
    return call.engine.codes.user_detail(call.app, call.text("user_ticket"))


@api("/cgi-bin/agent/get", "GET")
def agent_get(call: Call) -> dict[str, Any]:
    users = [s.userid for s in _visible(call)]
    return {
        "agentid": call.app.agent_id,
        "name": call.app.name,
        "allow_userinfos": {"user": [{"userid": u} for u in users]},
        "close": 0,
        "redirect_domain": (call.app.trusted_domains or [""])[0],
    }


# --- address book (path/90196 ff.) -------------------------------------------------------------------------------


def _visible(call: Call) -> list[Staff]:
    return [
        s
        for s in call.engine.world.staff
        if s.corp_id == call.app.corp_id
        and s.status != 5
        and (call.app.visible is None or s.userid in call.app.visible)
    ]


def _staff(call: Call, staff: Staff) -> dict[str, Any]:
    # No mobile, e-mail, gender or avatar: apps made after 2022-06-20 do not get them (path/90196).
    return {
        "userid": staff.userid,
        "name": staff.name,
        "department": staff.departments,
        "position": staff.position,
        "order": [0] * len(staff.departments),
        "is_leader_in_dept": [int(_leads(call, staff, number)) for number in staff.departments],
        "direct_leader": [],
        "status": staff.status,
        "enable": 1 if staff.status != 2 else 0,
        "isleader": 0,
        "extattr": {"attrs": []},
        "telephone": "",
        "alias": "",
        "hide_mobile": 0,
        "main_department": staff.departments[0] if staff.departments else 1,
        "external_position": staff.position,
    }


def _leads(call: Call, staff: Staff, number: int) -> bool:
    department = call.engine.world.departments.get(f"{staff.corp_id}|{number}")
    return department is not None and staff.userid in department.leaders


def _department(row: Department) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "parentid": row.parentid,
        "order": row.order,
        "department_leader": row.leaders,
    }


def _departments(call: Call) -> list[Department]:
    text = call.text("id")
    rows = [d for d in call.engine.world.departments if d.corp_id == call.app.corp_id]
    if not text:
        return rows
    found = call.engine.directory.department_tree(call.app.corp_id, int(text))
    if not found:
        raise WireError(60123)
    return found


@api("/cgi-bin/department/list", "GET", empty=("department",))
def department_list(call: Call) -> dict[str, Any]:
    return {"department": [_department(d) for d in _departments(call)]}


@api("/cgi-bin/department/simplelist", "GET")
def department_simplelist(call: Call) -> dict[str, Any]:
    return {"department_id": [{"id": d.id, "parentid": d.parentid, "order": d.order} for d in _departments(call)]}


@api("/cgi-bin/department/get", "GET")
def department_get(call: Call) -> dict[str, Any]:
    row = call.engine.world.departments.get(f"{call.app.corp_id}|{call.text('id')}")
    if row is None:
        raise WireError(60123)
    return {"department": _department(row)}


@api("/cgi-bin/user/get", "GET")
def user_get(call: Call) -> dict[str, Any]:
    return _staff(call, call.engine.directory.visible_staff(call.app, call.text("userid")))


def _members(call: Call) -> list[Staff]:
    department = int(call.text("department_id") or 1)
    rows = call.engine.directory.department_tree(call.app.corp_id, department)
    if not rows:
        raise WireError(60123)
    wanted = {d.id for d in rows} if call.text("fetch_child") in ("", "1") else {department}
    return [s for s in _visible(call) if set(s.departments) & wanted]


@api("/cgi-bin/user/list", "GET", empty=("userlist",))
def user_list(call: Call) -> dict[str, Any]:
    return {"userlist": [_staff(call, s) for s in _members(call)]}


@api("/cgi-bin/user/simplelist", "GET", empty=("userlist",))
def user_simplelist(call: Call) -> dict[str, Any]:
    return {"userlist": [{"userid": s.userid, "name": s.name, "department": s.departments} for s in _members(call)]}


@api("/cgi-bin/user/list_id", empty=("dept_user",))
def user_list_id(call: Call) -> dict[str, Any]:
    rows = [{"userid": s.userid, "department": d} for s in _visible(call) for d in s.departments]
    page, cursor = call.page(rows, default=10_000, most=10_000)
    return {"dept_user": page, "next_cursor": cursor}


# --- messages to members (path/90236) --------------------------------------------------------------------------------


@api("/cgi-bin/message/send")
def message_send(call: Call) -> dict[str, Any]:
    return call.engine.messages.send_app(call.app, call.body)


@api("/cgi-bin/message/update_template_card")
def message_update_card(call: Call) -> dict[str, Any]:
    call.engine.fans.update_card(call.app.corp_id, call.body)
    return {"invaliduser": []}


# --- media (path/90253) --------------------------------------------------------------------------------------------


@api("/cgi-bin/media/upload", credential="either")
def media_upload(call: Call) -> dict[str, Any]:
    row = _keep_upload(call, call.args.get("type", ""))
    return {"type": row.type, "media_id": row.media_id, "created_at": str(row.created)}


def _keep_upload(call: Call, kind: str) -> Media:
    upload = request.files.get("media")
    if kind not in MEDIA_LIMIT:
        raise WireError(40004)
    if upload is None or not upload.filename:
        raise WireError(41005, "media data missing")
    data = upload.read()
    if len(data) <= 5 or len(data) > MEDIA_LIMIT[kind]:
        raise WireError(40006, "invalid media size")
    engine, now = call.engine, int(call.engine.now())
    media_id = engine.world.make_id("media", 44)
    row = Media(media_id, call.owner, kind, upload.filename, upload.mimetype, len(data), now)
    engine.world.media.put(media_id, row)
    engine.files[media_id] = data
    while sum(map(len, engine.files.values())) > MEDIA_KEPT:
        engine.files.pop(next(iter(engine.files)))
    return row


@api("/cgi-bin/media/uploadimg")
def media_uploadimg(call: Call) -> dict[str, Any]:
    return {"url": f"{call.public_url}/media/{_keep_upload(call, 'image').media_id}"}


@api("/cgi-bin/media/get", "GET", credential="either")
def media_get(call: Call) -> dict[str, Any] | Response:
    row = call.engine.world.media.get(call.text("media_id"))
    if row is None or call.engine.now() - row.created > 3 * 86400 or row.media_id not in call.engine.files:
        raise WireError(40007)
    name = json.dumps(row.filename)
    return Response(
        call.engine.files[row.media_id],
        mimetype=row.content_type,
        headers={"Content-Disposition": f"attachment; filename={name}"},
    )
