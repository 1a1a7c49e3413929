"""Control API: faults, quotas, the clock, callbacks, the journal, scenarios."""

from __future__ import annotations

import dataclasses
import itertools

from flask import Response, current_app, jsonify, request

from app.wechat.simulator import scenarios
from app.wechat.simulator.control import body, control, engine, need, number, sender
from app.wechat.simulator.control.rows import public
from app.wechat.simulator.errors import ControlError


@control.get("/status")
def status() -> Response:
    machine, world = engine(), engine().world
    with world.lock:
        rows = {table.name: len(table) for table in world.tables if table.name != "meta"}
        lost = sum(1 for f in world.follows if f.lost)
    return jsonify(
        rows=rows,
        lost_contacts=lost,
        now=machine.now(),
        clock_offset=world.value("clock_offset", 0.0),
        callbacks=sender().summary(),
        options=dataclasses.asdict(sender().options),
        faults=[dataclasses.asdict(f) for f in machine.faults.faults],
        counts=dict(machine.journal.counts),
        product_url=current_app.config["PRODUCT_URL"],
    )


@control.post("/faults")
def inject() -> Response:
    return jsonify(dataclasses.asdict(engine().faults.inject(body())))


@control.get("/faults")
def faults() -> Response:
    return jsonify(rows=[dataclasses.asdict(f) for f in engine().faults.faults])


@control.delete("/faults")
@control.delete("/faults/<int:fault_id>")
def remove_fault(fault_id: int | None = None) -> Response:
    engine().faults.remove(fault_id)
    return jsonify(ok=True)


@control.post("/quotas")
def quotas() -> Response:
    values = body()
    engine().faults.set_quota(
        need(values, "api"), values.get("per_minute"), values.get("per_hour"), values.get("at_once")
    )
    return jsonify(ok=True)


@control.post("/tokens/expire")
def expire_tokens() -> Response:
    return jsonify(expired=engine().tokens.expire_all(body().get("owner")))


@control.get("/clock")
def clock() -> Response:
    return jsonify(now=engine().now(), offset=engine().world.value("clock_offset", 0.0))


@control.post("/clock")
def advance() -> Response:
    seconds = need(body(), "advance")
    if not isinstance(seconds, int | float) or seconds < 0:
        raise ControlError("advance is a number of seconds; time does not run backwards")
    engine().world.advance(seconds)
    return clock()


@control.post("/reset")
def reset() -> Response:
    sender().clear()
    engine().reset()
    return jsonify(ok=True)


@control.get("/scenario")
def scenario() -> Response:
    running = current_app.extensions.get("scenario")
    return jsonify(running.describe() if running else {"name": None, "running": False, "steps": {}})


@control.post("/scenario")
def start_scenario() -> Response:
    running = current_app.extensions.get("scenario")
    if running and running.running:
        raise ControlError("a scenario is running", 409)
    current_app.extensions["scenario"] = scenarios.start(engine(), current_app.config["PRODUCT_URL"], body())
    return scenario()


@control.delete("/scenario")
def stop_scenario() -> Response:
    if current_app.extensions.get("scenario"):
        current_app.extensions["scenario"].stop()
    return scenario()


@control.post("/till")
def till() -> Response:
    access = body()
    if set(access) != {"key_id", "secret", "stores", "products"}:
        raise ControlError("key_id, secret, stores and products are needed")
    with engine().world.lock:
        engine().world.set_value("till", access)
    return jsonify(ok=True)


@control.post("/pages")
def pages() -> Response:
    with engine().world.lock:
        engine().world.set_value("sidebar_url", need(body(), "sidebar_url"))
    return jsonify(ok=True)


@control.get("/callbacks")
def targets() -> Response:
    with engine().world.lock:
        return jsonify(rows=[public(t) for t in engine().world.targets])


@control.post("/callbacks")
def put_target() -> Response:
    return jsonify(public(engine().directory.put_target(body())))


@control.post("/callbacks/options")
def options() -> Response:
    return jsonify(dataclasses.asdict(sender().set_options(body())))


@control.post("/callbacks/send")
def send_event() -> Response:
    values = body()
    fields = {"FromUserName": "sys", "CreateTime": int(engine().now()), "MsgType": "event", **need(values, "fields")}
    need(fields, "Event")
    sender().submit(need(values, "receiver"), fields)
    return jsonify(ok=True)


@control.post("/callbacks/wait")
def wait() -> Response:
    return jsonify(idle=sender().wait(min(float(body().get("seconds", 10)), 60)), **sender().summary())


@control.get("/callbacks/deliveries")
def deliveries() -> Response:
    event = request.args.get("event")
    newest = (d for d in reversed(list(sender().deliveries)) if not event or d.event == event)
    rows = [
        {k: v for k, v in dataclasses.asdict(d).items() if k != "queued"}
        for d in itertools.islice(newest, number("limit", 100))
    ]
    return jsonify(rows=rows[::-1], **sender().summary())


@control.get("/journal")
def journal() -> Response:
    return jsonify(
        rows=engine().journal.after(number("after", 0), number("limit", 200), request.args.get("kind") or None)
    )
