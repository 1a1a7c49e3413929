"""The control API under /_control/: what only Tencent's side of the world knows or can do. JSON in, JSON out.

Ids: a *customer* is named by its id, external_userid or openid; *staff* by userid. `corp_id` and `appid` may be left
out: the first one there is. A call that makes no sense answers 4xx with `{"error": text}`.

GET    /_control/                     this text
GET    /_control/status               counts, clock, callback figures, running scenario
POST   /_control/seed                 {corps, miniprograms, departments, staff, customers, follows}: lists of the rows
                                      below, upserted in that order, without callbacks; 20,000 customers a call are fine
POST   /_control/corps                {corp_id, name, apps: [{agent_id, secret, name, visible, trusted_domains}],
                                      callback: {url, token, aes_key, format: xml|json, agent_id},
                                      monthly_receive_cap, dispatch_seconds}
POST   /_control/miniprograms         {appid, secret, original_id, name, platform (null: no unionid), callback}
POST   /_control/departments          {id, name, parentid, order}
POST   /_control/staff                {userid, name, departments, position, status, can_contact, console_welcome}
POST   /_control/customers            {id, name, avatar, gender, phone, unionid, openids{}, external_userids{}}
GET    /_control/{corps,miniprograms,departments,staff,customers,ways}   ?q=&limit=&offset=
GET    /_control/customers/ID         with its ids and the staff it follows
GET    /_control/staff/USERID/contacts
       Each of the five POSTs takes one row or {"rows": [..]}; ids that are not given are derived from the customer's id
       and answered, so they are the same in every run.

POST   /_control/contacts             {staff, customer | customers[], state, add_way, welcome: true, createtime}:
                                      customers add the member, all with the same CreateTime -> callbacks
POST   /_control/scan                 {config_id, customer | customers[]}: the same through a contact way's QR code
POST   /_control/contacts/unfollow    {staff, customer}: the customer deletes the member (del_follow_user)
POST   /_control/contacts/delete      {staff, customer}: the member deletes the customer (del_external_contact)
POST   /_control/contacts/edit        {staff, customer, remark, description, tags[]}
POST   /_control/chat                 {staff, customer, content{}}: the member sends something by hand
POST   /_control/transfers            {customer, outcome: accepted|refused|limit}

POST   /_control/office/staff         {userid, name, departments, status, leads[]}: comes, or changes, by the admin
                                      console and so with a callback; /rename {userid, new_userid}; /delete {userid}
POST   /_control/office/departments   {id, name, parentid, order}; /delete {id}
POST   /_control/office/tags          {group, names[]} -> ids; /edit {id, name, order}; /delete {id} of a tag or group;
                                      /shuffle {id} of a group
POST   /_control/groups               {owner, name, customer | customers[], state}: a customer group; /join {chat_id,
                                      customers[], scene}; /leave {chat_id, members[], removed}; /change {chat_id, name,
                                      notice, owner}; /dismiss {chat_id}
POST   /_control/official/follow      {customer, appid, scene}; /unfollow; /click {key, view}; /write {text}
POST   /_control/revoke               {customer, appid, info}: takes data back (user_authorization_revoke)
POST   /_control/cards/press          {staff, task_id, key, menu}: a button of a template card
POST   /_control/acquisition          {change, LinkId, State, UserID, ..}: any customer_acquisition event

GET    /_control/pay                  WeChat Pay: brands, stocks and users' product coupons
POST   /_control/pay/receive          {customer, stock_id}: a user takes a coupon in WeChat
POST   /_control/pay/{use,return,deactivate}   {code, request_no, order_no, at, tell}: as another system of the brand
POST   /_control/pay/delete           {code}: the user throws it away. /pay/stock {stock_id, state}: audit, pause, stop

POST   /_control/codes                {kind: login|phone|web|oauth, customer | staff, appid | corp_id, scope} -> {code}
POST   /_control/phones               {customer, phone}
POST   /_control/subscriptions        {customer, appid, answers: {template_id: true|false}}
GET    /_control/mass                 mass messages with their tasks
POST   /_control/mass/confirm         {msgid, staff} -> {sent, not_friend, capped}
GET    /_control/sent                 ?kind=welcome|app|subscribe|chat|mass&to=&sender=&after=SEQ&limit=

POST   /_control/faults               {api: pattern such as "externalcontact/*", errcode | html | drop | http_status |
                                      latency_ms, count, probability}
GET    /_control/faults    DELETE /_control/faults    DELETE /_control/faults/ID
POST   /_control/quotas               {api | "*", per_minute, per_hour}
POST   /_control/tokens/expire        {owner}: end access tokens early
POST   /_control/clock                {advance: seconds}          GET /_control/clock
POST   /_control/reset                forget everything

POST   /_control/callbacks            {receiver, url, token, aes_key, format, agent_id}      GET lists targets
POST   /_control/callbacks/options    {duplicates, drop, delay, shuffle, retry_after, paused}
POST   /_control/callbacks/send       {receiver, fields{}}: any event
POST   /_control/callbacks/wait       {seconds}: until the queue is empty -> {idle}
GET    /_control/callbacks/deliveries ?limit=&event=
GET    /_control/journal              ?after=N&limit=&kind=call|callback|action|scenario

GET    /_control/scenario             what is playing       DELETE /_control/scenario    stops it
POST   /_control/scenario             {name: saturday, scans_per_hour: 2000, seconds: 3600, newcomers, unfollow, login,
                                      bind_phone, claim, buy, speed, seed}: plays it against the product
POST   /_control/till                 {key_id, secret, stores: {department id: store code},
                                      products: [[sku, name, category, unit fen]]}: lets the scenario buy
POST   /_control/pages                {sidebar_url}: the page the WeCom client opens beside a chat
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.errors import ControlError, WireError
from app.wechat.simulator.sender import Sender

control = Blueprint("simulator_control", __name__, url_prefix="/_control")


def engine() -> Engine:
    return current_app.config["ENGINE"]


def sender() -> Sender:
    return current_app.config["SENDER"]


def body() -> dict[str, Any]:
    value = request.get_json(silent=True)
    if not isinstance(value, dict):
        raise ControlError("a JSON object is needed", 400)
    return value


def need(values: dict[str, Any], name: str) -> Any:
    if values.get(name) in (None, ""):
        raise ControlError(f"{name} is required")
    return values[name]


def number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    if text and not text.isdigit():
        raise ControlError(f"{name} must be a number")
    return int(text) if text else default


@control.errorhandler(ControlError)
def refused(error: ControlError) -> tuple[Response, int]:
    return jsonify(error=error.message), error.status


@control.errorhandler(WireError)
def refused_by_wire(error: WireError) -> tuple[Response, int]:
    return jsonify(error=str(error), errcode=error.errcode), 409


@control.get("/")
def reference() -> Response:
    return Response(__doc__, content_type="text/plain; charset=utf-8")
