"""Control API: what people do, and one-time codes."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from app.wechat.simulator.control import body, control, engine, need, number
from app.wechat.simulator.engine.rows import Customer
from app.wechat.simulator.engine.tags import LINK_SCENE
from app.wechat.simulator.errors import ControlError


def corp_of(values: dict[str, Any]) -> str:
    return values.get("corp_id") or engine().directory.default_corp()


def mini_of(values: dict[str, Any]) -> str:
    return values.get("appid") or engine().directory.default_mini()


def customers_of(values: dict[str, Any]) -> list[Customer]:
    keys = values.get("customers") or [need(values, "customer")]
    return [engine().directory.customer(key) for key in keys]


@control.post("/contacts")
def add_contacts() -> Response:
    values, machine = body(), engine()
    with machine.world.lock:
        added = machine.contacts.add(
            corp_of(values),
            need(values, "staff"),
            customers_of(values),
            state=values.get("state"),
            add_way=int(values.get("add_way", 1)),
            welcome=bool(values.get("welcome", True)),
            createtime=values.get("createtime"),
        )
    machine.act("add_contact", staff=values["staff"], customers=[a["customer"] for a in added][:20])
    return jsonify(contacts=added)


@control.post("/scan")
def scan() -> Response:
    """Customers scan a contact way's code, or open an acquisition link with its customer_channel as `state`."""
    values, machine = body(), engine()
    with machine.world.lock:
        way = machine.world.ways.get(need(values, "config_id"))
        if way is None:
            raise ControlError("no such contact way", 404)
        userid = machine.ways.member_of(way)
        state, add_way = (values.get("state"), 16) if way.scene == LINK_SCENE else (way.state, 1)
        added = machine.contacts.add(way.corp_id, userid, customers_of(values), state=state or None, add_way=add_way)
    machine.act("scan", staff=userid, customers=[a["customer"] for a in added][:20])
    return jsonify(staff=userid, contacts=added)


@control.post("/contacts/<any(unfollow, delete, edit):what>")
def change_contact(what: str) -> Response:
    values, machine = body(), engine()
    with machine.world.lock:
        corp_id, userid, customer = corp_of(values), need(values, "staff"), customers_of(values)[0]
        if what == "unfollow":
            machine.contacts.unfollow(corp_id, userid, customer)
        elif what == "delete":
            machine.contacts.delete(corp_id, userid, customer)
        else:
            changes = {k: values[k] for k in ("remark", "description", "tags") if k in values}
            machine.contacts.edit(corp_id, userid, customer, **changes)
    machine.act(what, staff=userid, customers=[customer.id])
    return jsonify(ok=True)


@control.post("/chat")
def chat() -> Response:
    values, machine = body(), engine()
    with machine.world.lock:
        corp_id, customer = corp_of(values), customers_of(values)[0]
        row = machine.messages.chat(
            corp_id, need(values, "staff"), customer.external_userids[corp_id], need(values, "content")
        )
    machine.act("chat", staff=values["staff"], customers=[customer.id])
    return jsonify(vars(row))


@control.post("/transfers")
def transfers() -> Response:
    values, machine = body(), engine()
    corp_id, customer = corp_of(values), customers_of(values)[0]
    done = machine.transfers.decide(corp_id, customer.external_userids[corp_id], need(values, "outcome"))
    return jsonify(decided=done)


@control.post("/codes")
def codes() -> Response:
    """A login, phone, web login or OAuth code as Tencent's client would have got it."""
    values, machine = body(), engine()
    kind = need(values, "kind")
    with machine.world.lock:
        if kind == "login":
            code = machine.codes.login(customers_of(values)[0], mini_of(values))
        elif kind == "phone":
            code = machine.codes.phone(customers_of(values)[0], mini_of(values))
        elif kind == "web":
            appid = values.get("appid") or machine.directory.default_official()
            scope, snapshot = values.get("scope", "snsapi_base"), bool(values.get("snapshot"))
            code = machine.codes.web(customers_of(values)[0], appid, scope, snapshot=snapshot)
        elif kind == "oauth":
            corp_id, scope = corp_of(values), values.get("scope", "snsapi_base")
            if values.get("staff"):
                subject, extra = machine.directory.staff(corp_id, values["staff"]).userid, {"scope": scope}
            else:
                subject, extra = customers_of(values)[0].id, {"customer": True}
            code = machine.codes.issue("oauth", corp_id, subject, **extra)
        else:
            raise ControlError("kind is login, phone, web or oauth")
    return jsonify(code=code)


@control.post("/phones")
def phones() -> Response:
    values, machine = body(), engine()
    with machine.world.lock:
        customer = customers_of(values)[0]
        machine.directory.put_customer({"id": customer.id, "phone": need(values, "phone")})
    return jsonify(ok=True)


@control.post("/subscriptions")
def subscriptions() -> Response:
    values, machine = body(), engine()
    with machine.world.lock:
        appid, customer = mini_of(values), customers_of(values)[0]
        machine.messages.subscribe(appid, customer.openids[appid], need(values, "answers"))
    return jsonify(ok=True)


@control.get("/mass")
def mass() -> Response:
    with engine().world.lock:
        rows = [
            {**vars(m), "tasks": {u: {**t, "targets": len(t["targets"])} for u, t in m.tasks.items()}}
            for m in engine().world.mass
        ]
    return jsonify(rows=rows[-number("limit", 100) :])


@control.post("/mass/confirm")
def confirm_mass() -> Response:
    values, machine = body(), engine()
    counts = machine.mass.confirm(corp_of(values), need(values, "msgid"), need(values, "staff"))
    machine.act("mass_confirm", staff=values["staff"], **counts)
    return jsonify(counts)


@control.get("/sent")
def sent() -> Response:
    """Newest last. `to` is an external_userid, openid, userid or a customer's id; `seconds` of a welcome message is how
    long after the customer was added it arrived."""
    kind, to, staff = request.args.get("kind"), request.args.get("to"), request.args.get("sender")
    with engine().world.lock:
        wanted = {to} if to else None
        if to and to in engine().world.customers:
            customer = engine().world.customers.rows[to]
            wanted = {*customer.external_userids.values(), *customer.openids.values()}
        after, limit = number("after", 0), number("limit", 200)
        rows = [
            vars(r)
            for r in engine().world.sent
            if r.seq > after
            and (not kind or r.kind == kind)
            and (wanted is None or r.to in wanted)
            and (not staff or r.sender == staff)
        ]
        return jsonify(total=len(rows), rows=rows[-limit:])
