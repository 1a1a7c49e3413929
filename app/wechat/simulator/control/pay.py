"""Control API: WeChat Pay's product coupons, and what users and other systems of the brand do with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify

from app.wechat.simulator.control import body, control, engine, need
from app.wechat.simulator.control.actions import customers_of, mini_of
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.rows import PayCoupon
from app.wechat.simulator.errors import PayError

SECRET = ("platform_key", "api_v3_key", "public_key")


@control.get("/pay")
def pay_state() -> Response:
    world = engine().world
    with world.lock:
        brands = [{k: v for k, v in vars(one).items() if k not in SECRET} for one in world.pay_brands]
        coupons = [{k: v for k, v in vars(one).items() if k != "done"} for one in world.pay_coupons]
        return jsonify(brands=brands, stocks=[vars(one) for one in world.pay_stocks], coupons=coupons)


def _receive(machine: Engine, given: dict[str, Any]) -> Any:
    """A user takes a coupon in WeChat, out of a stock whose codes WeChat Pay makes."""
    appid, customer = mini_of(given), customers_of(given)[0]
    row = machine.world.pay_stocks.get(need(given, "stock_id"))
    if row is None:
        raise PayError(404, "NOT_FOUND", "no such stock")
    brand = machine.pay.brand(row.brand_id)
    openid = customer.openids[appid]
    return machine.pay.give(brand, row, appid=appid, openid=openid, code=None, request_no=None)


def _coupon(machine: Engine, given: dict[str, Any]) -> PayCoupon:
    row = machine.world.pay_coupons.get(need(given, "code"))
    if row is None:
        raise PayError(404, "NOT_FOUND", "no such coupon")
    return row


def _elsewhere(machine: Engine, given: dict[str, Any]) -> dict[str, Any]:
    """A request as another system of the brand would make it."""
    number = given.get("request_no") or machine.world.make_id("elsewhere", 20)
    at = given.get("at") or machine.pay.time(machine.now())
    order = {"out_trade_no": given["order_no"]} if given.get("order_no") else None
    return {"out_request_no": number, "use_time": at, "associated_order_info": order}


def _told(given: dict[str, Any]) -> bool:
    return bool(given.get("tell", True))


DEEDS: dict[str, Callable[[Engine, dict[str, Any]], Any]] = {
    "pay/receive": _receive,
    "pay/use": lambda m, v: m.pay.use(_coupon(m, v), _elsewhere(m, v), tell=_told(v)),
    "pay/return": lambda m, v: m.pay.give_back(_coupon(m, v), _elsewhere(m, v), tell=_told(v)),
    "pay/deactivate": lambda m, v: m.pay.deactivate(_coupon(m, v), _elsewhere(m, v), tell=_told(v)),
    "pay/delete": lambda m, v: m.pay.delete(_coupon(m, v)),
    "pay/stock": lambda m, v: m.pay.set_stock(m.world.pay_stocks.rows[need(v, "stock_id")], need(v, "state")),
}


@control.errorhandler(PayError)
def refused_by_pay(error: PayError) -> tuple[Response, int]:
    return jsonify(error=error.message, code=error.code), 409


def _do(name: str, deed: Callable[[Engine, dict[str, Any]], Any]) -> Callable[[], Response]:
    def view() -> Response:
        given, machine = body(), engine()
        with machine.world.lock:
            done = deed(machine, given)
        machine.act(name)
        return jsonify(done=done)

    return view


for _name, _deed in DEEDS.items():
    control.add_url_rule(f"/{_name}", _name.replace("/", "_"), _do(_name, _deed), methods=["POST"])
