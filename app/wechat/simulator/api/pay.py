"""WeChat Pay's product coupons (api.mch.weixin.qq.com/brand/..): signed requests, signed answers, HTTP status codes.

Faults are named `pay/confirm`, `pay/use` and so on. `http_status` or `errcode` refuses, `drop` cuts the connection
before anything is done, and `html` carries the call out and loses its answer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, request

from app.wechat.simulator.api import LATENCY_HEADER, dropped
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.faults import Fault
from app.wechat.simulator.engine.rows import PayBrand
from app.wechat.simulator.errors import PayError

pay = Blueprint("simulator_pay", __name__, url_prefix="/brand/marketing/product-coupon")


@dataclass
class Call:
    """One call whose signature was right."""

    engine: Engine
    brand: PayBrand
    body: dict[str, Any]


Work = Callable[..., dict[str, Any]]


def api(verb: str, path: str, method: str = "POST") -> Callable[[Work], Work]:
    def register(work: Work) -> Work:
        def view(**into: str) -> Response:
            return _answer(verb, work, into)

        pay.add_url_rule(path, f"{verb}_{work.__name__}", view, methods=[method])
        return work

    return register


_STOCK = "/product-coupons/<product>/stocks/<stock>"
_COUPON = "/users/<openid>/coupons/<code>"


@api("create", "/product-coupons")
def create(call: Call) -> dict[str, Any]:
    return call.engine.pay.create(call.brand, call.body)


@api("stock", _STOCK, "GET")
def stock(call: Call, product: str, stock: str) -> dict[str, Any]:
    return call.engine.pay.show_stock(product, stock)


@api("update-budget", f"{_STOCK}/update-budget")
def update_budget(call: Call, product: str, stock: str) -> dict[str, Any]:
    return call.engine.pay.resize(call.engine.pay.stock(product, stock), call.body)


@api("end-stock", f"{_STOCK}/deactivate")
def end_stock(call: Call, product: str, stock: str) -> dict[str, Any]:
    return call.engine.pay.set_stock(call.engine.pay.stock(product, stock), "DEACTIVATED")


@api("send", "/users/<openid>/coupons")
def send(call: Call, openid: str) -> dict[str, Any]:
    machine, body = call.engine.pay, call.body
    row = machine.stock(body["product_coupon_id"], body["stock_id"])
    number = body["send_request_no"]
    return machine.give(
        call.brand, row, appid=body["appid"], openid=openid, code=body.get("coupon_code"), request_no=number
    )


@api("list", "/users/<openid>/coupons", "GET")
def listing(call: Call, openid: str) -> dict[str, Any]:
    args = request.args
    rows = call.engine.pay.of_user(openid, args.get("stock_id", ""), args.get("coupon_state", ""))
    start, size = int(args.get("page_token") or 0), int(args.get("page_size") or 20)
    page = rows[start : start + size]
    more = {"next_page_token": str(start + size)} if start + size < len(rows) else {}
    return {"total_count": len(rows), "user_coupon_list": [call.engine.pay.shown(one) for one in page]} | more


@api("look", _COUPON, "GET")
def look(call: Call, openid: str, code: str) -> dict[str, Any]:
    return call.engine.pay.shown(call.engine.pay.coupon(code, openid))


@api("confirm", f"{_COUPON}/confirm")
def confirm(call: Call, openid: str, code: str) -> dict[str, Any]:
    return call.engine.pay.confirm(call.engine.pay.coupon(code, openid), call.body)


@api("use", f"{_COUPON}/use")
def use(call: Call, openid: str, code: str) -> dict[str, Any]:
    return call.engine.pay.use(call.engine.pay.coupon(code, openid), call.body)


@api("return", f"{_COUPON}/return")
def give_back(call: Call, openid: str, code: str) -> dict[str, Any]:
    return call.engine.pay.give_back(call.engine.pay.coupon(code, openid), call.body)


@api("deactivate", f"{_COUPON}/deactivate")
def deactivate(call: Call, openid: str, code: str) -> dict[str, Any]:
    return call.engine.pay.deactivate(call.engine.pay.coupon(code, openid), call.body)


@api("notify", "/notify-configs")
def notify(call: Call) -> dict[str, Any]:
    call.brand.notify_url = call.body["notify_url"]
    call.engine.world.pay_brands.touch(call.brand.brand_id)
    return {"notify_url": call.brand.notify_url}


def _answer(verb: str, work: Work, into: dict[str, str]) -> Response:
    engine: Engine = current_app.config["ENGINE"]
    started = time.perf_counter()
    fault = engine.faults.strike(f"pay/{verb}")
    if fault is not None and fault.drop:
        return dropped()
    brand: PayBrand | None = None
    try:
        _slow(engine, fault)
        with engine.world.lock:
            brand = engine.pay.check_request(
                request.headers.get("Authorization", ""), request.method, _target(), request.get_data()
            )
            if fault is not None and not fault.html and not fault.only_slow:
                raise PayError(fault.http_status if fault.http_status != 200 else 500, "SYSTEM_ERROR", "on demand")
            body = _body()
            told, status = work(Call(engine, brand, body), **into), 200
    except PayError as error:
        told, status = {"code": error.code, "message": error.message}, error.status
    except (KeyError, TypeError, ValueError, AttributeError):
        current_app.logger.warning("simulator: pay/%s could not read its arguments", verb, exc_info=True)
        told, status = {"code": "PARAM_ERROR", "message": "invalid parameter"}, 400
    elapsed = round((time.perf_counter() - started) * 1000, 2)
    engine.journal.write("call", engine.now(), name=f"pay/{verb}", outcome=str(status), ms=elapsed)
    if fault is not None and fault.html:
        return Response("<html><body>502</body></html>", status=502, mimetype="text/html")
    data = json.dumps(told, ensure_ascii=False).encode()
    headers = engine.pay.signed_headers(brand, data) if brand is not None and status == 200 else {}
    if fault is not None and fault.latency_ms:
        headers[LATENCY_HEADER] = str(fault.latency_ms)
    return Response(data, status=status, headers=headers, content_type="application/json; charset=utf-8")


def _slow(engine: Engine, fault: Fault | None) -> None:
    if fault is not None and fault.latency_ms and not request.environ.get("simulator.bridge"):
        engine.sleep(fault.latency_ms / 1000)


def _target() -> str:
    """Path and query as they were sent, which is what was signed."""
    raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI"))
    raw, query = re.sub(r"^https?://[^/]+", "", raw), request.query_string.decode()
    return f"{raw}?{query}" if query and "?" not in raw else raw


def _body() -> dict[str, Any]:
    data = request.get_data()
    if not data:
        return {}
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("a JSON object is needed")
    return value
