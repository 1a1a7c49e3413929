"""Control API: who exists, and bulk loading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request

from app.wechat.simulator.control import body, control, engine, need, number
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.rows import Customer
from app.wechat.simulator.engine.world import Table
from app.wechat.simulator.errors import ControlError


def put_follow(machine: Engine, values: dict[str, Any]) -> Any:
    """An existing relation: {staff, customer, createtime, state, remark, description, tags, add_way, lost}."""
    values = dict(values)
    corp_id = values.pop("corp_id", None) or machine.directory.default_corp()
    userid, customer = need(values, "staff"), machine.directory.customer(need(values, "customer"))
    del values["staff"], values["customer"]
    allowed = {"createtime", "state", "remark", "description", "tags", "add_way", "lost", "remark_mobiles"}
    if set(values) - allowed:
        raise ControlError(f"unknown follow fields: {', '.join(sorted(set(values) - allowed))}")
    machine.directory.staff(corp_id, userid)
    return machine.contacts.put(corp_id, userid, customer, **values)


PUTS: dict[str, Callable[[Engine, dict[str, Any]], Any]] = {
    "corps": lambda machine, values: machine.directory.put_corp(values),
    "miniprograms": lambda machine, values: machine.directory.put_mini(values),
    "departments": lambda machine, values: machine.directory.put_department(values),
    "staff": lambda machine, values: machine.directory.put_staff(values),
    "customers": lambda machine, values: machine.directory.put_customer(values),
    "follows": put_follow,
}


def table(kind: str) -> Table[Any]:
    world = engine().world
    tables: dict[str, Table[Any]] = {
        "corps": world.corps,
        "miniprograms": world.minis,
        "departments": world.departments,
        "staff": world.staff,
        "customers": world.customers,
        "ways": world.ways,
    }
    if kind not in tables:
        raise ControlError("no such collection", 404)
    return tables[kind]


@control.post("/seed")
def seed() -> Response:
    given = body()
    if set(given) - set(PUTS):
        raise ControlError(f"unknown collections: {', '.join(sorted(set(given) - set(PUTS)))}")
    machine = engine()
    counts = {}
    with machine.world.lock:
        for kind, put in PUTS.items():
            rows = given.get(kind, [])
            for row in rows:
                put(machine, row)
            counts[kind] = len(rows)
    return jsonify(counts)


@control.post("/<any(corps, miniprograms, departments, staff, customers, follows):kind>")
def put(kind: str) -> Response:
    given, machine = body(), engine()
    rows = given["rows"] if set(given) == {"rows"} else [given]
    with machine.world.lock:
        return jsonify(rows=[public(PUTS[kind](machine, row)) for row in rows])


def public(row: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name not in ("secret", "aes_key", "token")}


@control.get("/<any(corps, miniprograms, departments, staff, customers, ways):kind>")
def listing(kind: str) -> Response:
    """Rows holding `q` anywhere in an id or a name; `total` counts all that match."""
    query = request.args.get("q", "").lower()
    with engine().world.lock:
        rows = [r for r in table(kind) if not query or any(query in str(v).lower() for v in vars(r).values())]
        start = number("offset", 0)
        return jsonify(total=len(rows), rows=[public(r) for r in rows[start : start + number("limit", 100)]])


@control.get("/customers/<key>")
def one_customer(key: str) -> Response:
    machine = engine()
    with machine.world.lock:
        return jsonify(describe(machine, machine.directory.customer(key)))


def describe(machine: Engine, customer: Customer) -> dict[str, Any]:
    world = machine.world
    follows = [
        {
            "corp_id": f.corp_id,
            "staff": f.userid,
            "name": world.staff.rows[f"{f.corp_id}|{f.userid}"].name,
            "createtime": f.createtime,
            "state": f.state,
            "lost": f.lost,
            "remark": f.remark,
            "tags": f.tags,
        }
        for corp_id, external in customer.external_userids.items()
        for f in world.follows_by_contact.get(f"{corp_id}|{external}", {}).values()
    ]
    return {**public(customer), "follows": follows}


@control.get("/staff/<userid>/contacts")
def contacts_of(userid: str) -> Response:
    machine = engine()
    with machine.world.lock:
        corp_id = request.args.get("corp_id") or machine.directory.default_corp()
        machine.directory.staff(corp_id, userid)
        follows = machine.world.follows_by_staff.get(f"{corp_id}|{userid}", {}).values()
        rows = []
        for follow in sorted(follows, key=lambda f: (f.last_chat, f.createtime), reverse=True)[: number("limit", 200)]:
            customer = machine.world.customers.rows[follow.customer]
            rows.append(
                {
                    "customer": customer.id,
                    "name": customer.name,
                    "avatar": customer.avatar,
                    "external_userid": follow.external_userid,
                    "createtime": follow.createtime,
                    "remark": follow.remark,
                    "state": follow.state,
                    "lost": follow.lost,
                }
            )
        return jsonify(total=len(follows), rows=rows)
