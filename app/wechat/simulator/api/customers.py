"""WeCom customer contact: customers, contact ways, welcome messages, tags, transfers, mass messages.

Shapes follow the public documentation samples (developer.work.weixin.qq.com, the path given at each group).
"""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.api import Call, api
from app.wechat.simulator.engine.rows import Customer, Follow
from app.wechat.simulator.engine.tags import LINK_SCENE
from app.wechat.simulator.errors import WireError

# --- customers (path/92112 ff.) ----------------------------------------------------------------------------------


def _contact(call: Call, customer: Customer) -> dict[str, Any]:
    shape = {
        "external_userid": customer.external_userids[call.app.corp_id],
        "name": customer.name,
        "type": 1,
        "avatar": customer.avatar or f"{call.public_url}/avatar/{customer.id}.svg",
        "gender": customer.gender,
    }
    return shape | ({"unionid": customer.unionid} if customer.unionid else {})


def _follow(call: Call, follow: Follow, *, tag_ids_only: bool) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "userid": follow.userid,
        "remark": follow.remark,
        "description": follow.description,
        "createtime": follow.createtime,
        "remark_mobiles": follow.remark_mobiles,
        "add_way": follow.add_way,
        "oper_userid": follow.external_userid if follow.add_way == 1 else follow.userid,
    }
    if follow.remark_corp_name:
        shape["remark_corp_name"] = follow.remark_corp_name
    if follow.state:
        shape["state"] = follow.state
    if tag_ids_only:
        return shape | {"tag_id": follow.tags}
    names = call.engine.tags.names(call.app.corp_id)
    shape["tags"] = [
        {"group_name": names[t][0], "tag_name": names[t][1], "tag_id": t, "type": 1} for t in follow.tags if t in names
    ]
    return shape


@api("/cgi-bin/externalcontact/get_follow_user_list", "GET", empty=("follow_user",))
def get_follow_user_list(call: Call) -> dict[str, Any]:
    staff = (s for s in call.engine.world.staff if s.corp_id == call.app.corp_id and s.status == 1 and s.can_contact)
    return {"follow_user": [s.userid for s in staff if call.app.visible is None or s.userid in call.app.visible]}


@api("/cgi-bin/externalcontact/list", "GET", empty=("external_userid",))
def externalcontact_list(call: Call) -> dict[str, Any]:
    follows = call.engine.contacts.of_staff(call.app, call.text("userid"))
    if not follows:
        raise WireError(84061)
    return {"external_userid": [f.external_userid for f in follows]}


@api("/cgi-bin/externalcontact/get", "GET")
def externalcontact_get(call: Call) -> dict[str, Any]:
    customer, follows = call.engine.contacts.followers(call.app, call.text("external_userid"))
    page, cursor = call.page(follows, default=500, most=500)
    answer: dict[str, Any] = {
        "external_contact": _contact(call, customer),
        "follow_user": [_follow(call, f, tag_ids_only=False) for f in page],
    }
    return answer | ({"next_cursor": cursor} if cursor else {})


@api("/cgi-bin/externalcontact/batch/get_by_user", empty=("external_contact_list",))
def batch_get_by_user(call: Call) -> dict[str, Any]:
    userids = list(call.body.get("userid_list") or [])
    if not 1 <= len(userids) <= 100:
        raise WireError(40058)
    follows = [f for userid in userids for f in call.engine.contacts.of_staff(call.app, userid)]
    page, cursor = call.page(follows, default=50, most=100)
    customers = call.engine.world.customers.rows
    rows = [
        {"external_contact": _contact(call, customers[f.customer]), "follow_info": _follow(call, f, tag_ids_only=True)}
        for f in page
    ]
    return {"external_contact_list": rows, "next_cursor": cursor}


@api("/cgi-bin/externalcontact/remark")
def remark(call: Call) -> dict[str, Any]:
    call.engine.contacts.remark(call.app, call.body)
    return {}


@api("/cgi-bin/externalcontact/mark_tag")
def mark_tag(call: Call) -> dict[str, Any]:
    call.engine.contacts.mark_tag(call.app, call.body)
    return {}


@api("/cgi-bin/externalcontact/convert_to_openid")
def convert_to_openid(call: Call) -> dict[str, Any]:
    customer, _ = call.engine.contacts.followers(call.app, call.text("external_userid"))
    return {"openid": next(iter(customer.openids.values()), "")}


@api("/cgi-bin/externalcontact/unionid_to_external_userid")
@api("/cgi-bin/idconvert/unionid_to_external_userid")
def unionid_to_external_userid(call: Call) -> dict[str, Any]:
    """A customer nobody follows yet has a pending_id instead (90 days); unionid and openid must belong together."""
    return dict(call.engine.contacts.convert(call.app, call.text("unionid"), call.text("openid")))


@api("/cgi-bin/idconvert/batch/external_userid_to_pending_id", empty=("result",))
def external_userid_to_pending_id(call: Call) -> dict[str, Any]:
    return {"result": call.engine.contacts.pending_ids(call.app, list(call.body.get("external_userid") or []))}


@api("/cgi-bin/externalcontact/transfer_customer")
def transfer_customer(call: Call) -> dict[str, Any]:
    return {"customer": call.engine.transfers.start(call.app, call.body, resigned=False)}


@api("/cgi-bin/externalcontact/resigned/transfer_customer")
def resigned_transfer_customer(call: Call) -> dict[str, Any]:
    return {"customer": call.engine.transfers.start(call.app, call.body, resigned=True)}


@api("/cgi-bin/externalcontact/transfer_result", empty=("customer",))
@api("/cgi-bin/externalcontact/resigned/transfer_result", empty=("customer",))
def transfer_result(call: Call) -> dict[str, Any]:
    call.engine.transfers.settle()
    rows = [
        t
        for t in call.engine.world.transfers
        if t.corp_id == call.app.corp_id
        and t.handover == call.text("handover_userid")
        and t.takeover == call.text("takeover_userid")
    ]
    page, cursor = call.page(rows, default=1000, most=1000)
    return {
        "customer": [
            {"external_userid": t.external_userid, "status": t.status, "takeover_time": t.takeover_time} for t in page
        ],
        "next_cursor": cursor,
    }


@api("/cgi-bin/externalcontact/get_unassigned_list", empty=("info",))
def get_unassigned_list(call: Call) -> dict[str, Any]:
    world = call.engine.world
    rows = [
        {"handover_userid": s.userid, "external_userid": external, "dimission_time": s.left_at}
        for s in world.staff
        if s.corp_id == call.app.corp_id and s.status == 5
        for external in world.follows_by_staff.get(f"{s.corp_id}|{s.userid}", {})
    ]
    call.body["limit"] = call.body.get("page_size") or 1000
    page, cursor = call.page(rows, default=1000, most=1000)
    return {"info": page, "is_last": not cursor, "next_cursor": cursor}


# --- contact ways and welcome messages (path/92228, path/92137) ----------------------------------------------------


def _qr(call: Call, config_id: str) -> str:
    return f"{call.public_url}/qr/{config_id}.png"


@api("/cgi-bin/externalcontact/add_contact_way")
def add_contact_way(call: Call) -> dict[str, Any]:
    way = call.engine.ways.add(call.app, call.body)
    answer = {"config_id": way.config_id}
    return answer | ({"qr_code": _qr(call, way.config_id)} if way.scene == 2 else {})


@api("/cgi-bin/externalcontact/get_contact_way")
def get_contact_way(call: Call) -> dict[str, Any]:
    way = call.engine.ways.get(call.app, call.body)
    return {"contact_way": call.engine.ways.shape(way, _qr(call, way.config_id))}


@api("/cgi-bin/externalcontact/update_contact_way")
def update_contact_way(call: Call) -> dict[str, Any]:
    call.engine.ways.update(call.app, call.body)
    return {}


@api("/cgi-bin/externalcontact/del_contact_way")
def del_contact_way(call: Call) -> dict[str, Any]:
    call.engine.world.ways.drop(call.engine.ways.get(call.app, call.body).config_id)
    return {}


@api("/cgi-bin/externalcontact/list_contact_way", empty=("contact_way",))
def list_contact_way(call: Call) -> dict[str, Any]:
    start, end = int(call.body.get("start_time") or 0), int(call.body.get("end_time") or call.engine.now() + 1)
    rows = [
        {"config_id": w.config_id}
        for w in call.engine.world.ways
        if w.corp_id == call.app.corp_id and w.scene != LINK_SCENE and start <= w.created <= end
    ]
    page, cursor = call.page(rows, default=100, most=1000)
    return {"contact_way": page, "next_cursor": cursor}


@api("/cgi-bin/externalcontact/send_welcome_msg")
def send_welcome_msg(call: Call) -> dict[str, Any]:
    call.engine.messages.welcome(call.app, call.body)
    return {}


# --- tags (path/92117) ---------------------------------------------------------------------------------------------


@api("/cgi-bin/externalcontact/get_corp_tag_list", empty=("tag_group",))
def get_corp_tag_list(call: Call) -> dict[str, Any]:
    tags, groups = list(call.body.get("tag_id") or []), list(call.body.get("group_id") or [])
    return {"tag_group": call.engine.tags.listing(call.app, tags, groups)}


@api("/cgi-bin/externalcontact/add_corp_tag")
def add_corp_tag(call: Call) -> dict[str, Any]:
    return {"tag_group": call.engine.tags.add(call.app, call.body)}


@api("/cgi-bin/externalcontact/edit_corp_tag")
def edit_corp_tag(call: Call) -> dict[str, Any]:
    call.engine.tags.edit(call.app, call.body)
    return {}


@api("/cgi-bin/externalcontact/del_corp_tag")
def del_corp_tag(call: Call) -> dict[str, Any]:
    call.engine.tags.delete(call.app, call.body)
    return {}


# --- mass messages (path/92135) -----------------------------------------------


@api("/cgi-bin/externalcontact/add_msg_template")
def add_msg_template(call: Call) -> dict[str, Any]:
    return call.engine.mass.create(call.app, call.body)


@api("/cgi-bin/externalcontact/get_groupmsg_list_v2", empty=("group_msg_list",))
def get_groupmsg_list(call: Call) -> dict[str, Any]:
    page, cursor = call.page(call.engine.mass.listing(call.app, call.body), default=50, most=100)
    return {"group_msg_list": page, "next_cursor": cursor}


@api("/cgi-bin/externalcontact/get_groupmsg_task", empty=("task_list",))
def get_groupmsg_task(call: Call) -> dict[str, Any]:
    page, cursor = call.page(call.engine.mass.tasks(call.app, call.body), default=500, most=1000)
    return {"task_list": page, "next_cursor": cursor}


@api("/cgi-bin/externalcontact/get_groupmsg_send_result", empty=("send_list",))
def get_groupmsg_send_result(call: Call) -> dict[str, Any]:
    page, cursor = call.page(call.engine.mass.results(call.app, call.body), default=500, most=1000)
    return {"send_list": page, "next_cursor": cursor}


@api("/cgi-bin/externalcontact/remind_groupmsg_send")
def remind_groupmsg_send(call: Call) -> dict[str, Any]:
    call.engine.mass.remind(call.app, call.body)
    return {}


@api("/cgi-bin/externalcontact/cancel_groupmsg_send")
def cancel_groupmsg_send(call: Call) -> dict[str, Any]:
    call.engine.mass.cancel(call.app, call.body)
    return {}
