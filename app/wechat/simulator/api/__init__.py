"""Tencent's HTTP APIs over one engine: the register of paths, and what every call goes through.

A call meets, in this order: injected faults, the access token, the rate limit, the handler. Answers are always HTTP 200
with an errcode, as Tencent's are, unless a fault says otherwise.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, current_app, request
from werkzeug.exceptions import BadRequest

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.faults import Fault
from app.wechat.simulator.engine.rows import App, MiniProgram
from app.wechat.simulator.errors import WireError

# Read by responses_bridge: a test client has no socket to cut and should not sleep.
DROP_HEADER, LATENCY_HEADER = "X-Simulator-Drop", "X-Simulator-Latency-Ms"


@dataclass
class Call:
    """One API call after its token was checked: `app` for a WeCom token, `mini` for a mini-program's."""

    engine: Engine
    public_url: str
    args: dict[str, str]
    body: dict[str, Any]
    app_or_mini: App | MiniProgram | None = None

    @property
    def app(self) -> App:
        assert isinstance(self.app_or_mini, App)
        return self.app_or_mini

    @property
    def mini(self) -> MiniProgram:
        assert isinstance(self.app_or_mini, MiniProgram)
        return self.app_or_mini

    @property
    def owner(self) -> str:
        """Whose token it was: a corp id or an appid."""
        caller = self.app_or_mini
        return caller.corp_id if isinstance(caller, App) else self.mini.appid

    def text(self, name: str) -> str:
        """A string from the body or the query."""
        value = self.body.get(name, self.args.get(name, ""))
        return "" if value is None else str(value)

    def page(self, rows: list[Any], *, default: int, most: int) -> tuple[list[Any], str]:
        """The asked-for page of `rows` and the next cursor ("" at the end)."""
        limit = int(self.body.get("limit") or default)
        if limit < 1 or limit > most:
            raise WireError(40058, "invalid limit")
        cursor = self.text("cursor")
        if cursor and not (cursor.startswith("CUR") and cursor[3:].isdigit()):
            raise WireError(40058, "invalid cursor")
        start = int(cursor[3:]) if cursor else 0
        end = start + limit
        return rows[start:end], f"CUR{end}" if end < len(rows) else ""


Handler = Callable[[Call], "dict[str, Any] | Response"]


@dataclass(frozen=True)
class Entry:
    path: str
    name: str
    method: str
    credential: str  # none | corp | mini | either
    handler: Handler
    raw: bool  # no errcode and errmsg on success
    empty: tuple[str, ...]  # list keys an error answer carries too, as some real ones do


ENTRIES: dict[str, Entry] = {}


def api(
    path: str, method: str = "POST", *, credential: str = "corp", raw: bool = False, empty: tuple[str, ...] = ()
) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        name = path.removeprefix("/cgi-bin/").lstrip("/")
        ENTRIES[path] = Entry(path, name, method, credential, handler, raw, empty)
        return handler

    return register


def blueprint() -> Blueprint:
    """Every registered path as a Flask blueprint; the engine is `current_app.config["ENGINE"]`.

    Three rules and a dict, because building a rule per path would take longer than most tests.
    """
    made = Blueprint("simulator_api", __name__)
    for prefix in ("cgi-bin", "wxa", "sns"):
        made.add_url_rule(f"/{prefix}/<path:rest>", prefix, _view, methods=["GET", "POST"])
    return made


def _view(rest: str) -> Response:
    entry = ENTRIES.get(request.path)
    if entry is None:
        abort(404)
    engine: Engine = current_app.config["ENGINE"]
    started = time.perf_counter()
    fault = engine.faults.strike(entry.name)
    response, outcome = _faulted(engine, entry, fault) if fault else (None, "")
    if response is None:
        response, outcome = _answer(engine, entry, nap=fault.latency_ms / 1000 if fault else 0)
    elapsed = round((time.perf_counter() - started) * 1000, 2)
    engine.journal.write("call", engine.now(), name=entry.name, outcome=outcome, ms=elapsed)
    return response


def _faulted(engine: Engine, entry: Entry, fault: Fault) -> tuple[Response | None, str]:
    """The fault's answer, or None when it only makes the real one slow."""
    bridged = bool(request.environ.get("simulator.bridge"))
    if fault.latency_ms and not bridged and not fault.only_slow:
        engine.sleep(fault.latency_ms / 1000)
    headers = {LATENCY_HEADER: str(fault.latency_ms)} if bridged else {}
    if fault.drop:
        return dropped(), "drop"
    if fault.html:
        page = "<html><head><title>502 Bad Gateway</title></head><body><center>502</center></body></html>"
        status = fault.http_status if fault.http_status != 200 else 502
        return Response(page, status=status, mimetype="text/html", headers=headers), "html"
    if fault.errcode is not None:
        body = _error(WireError(fault.errcode), entry)
        return _json(body, fault.http_status, headers), str(fault.errcode)
    if fault.http_status != 200:
        return Response("", status=fault.http_status, headers=headers), f"http {fault.http_status}"
    if bridged and fault.latency_ms:
        response, outcome = _answer(engine, entry)
        response.headers[LATENCY_HEADER] = str(fault.latency_ms)
        return response, outcome
    return None, ""


def dropped() -> Response:
    """Cut the connection, or tell the bridge to."""
    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    return Response("", status=502, headers={DROP_HEADER: "1"})


def _answer(engine: Engine, entry: Entry, *, nap: float = 0) -> tuple[Response, str]:
    """The real answer; a slow one (`nap` seconds) holds its place among the calls at once."""
    try:
        call = Call(
            engine, current_app.config["PUBLIC_URL"] or request.host_url.rstrip("/"), request.args.to_dict(), {}
        )
        if entry.method == "POST":
            if request.method != "POST":
                raise WireError(43002, "require POST method")
            call.body = _body()
        owner = _authenticate(engine, entry, call)
        engine.faults.count(owner, entry.name)
        with engine.faults.side_by_side(owner, entry.name):
            if nap:
                engine.sleep(nap)
            with engine.world.lock:
                result = entry.handler(call)
    except WireError as error:
        return _json(_error(error, entry), 200), str(error.errcode)
    except (KeyError, TypeError, ValueError, AttributeError):
        current_app.logger.warning("simulator: %s could not read its arguments", entry.name, exc_info=True)
        return _json(_error(WireError(40058), entry), 200), "40058"
    if isinstance(result, Response):
        return result, "0"
    return _json(result if entry.raw else {"errcode": 0, "errmsg": "ok", **result}, 200), "0"


def _body() -> dict[str, Any]:
    if request.mimetype.startswith("multipart/"):
        return {}
    try:
        value = json.loads(request.get_data() or b"{}")
    except (ValueError, BadRequest) as error:
        raise WireError(47001) from error
    if not isinstance(value, dict):
        raise WireError(47001)
    return value


def _authenticate(engine: Engine, entry: Entry, call: Call) -> str:
    token = request.args.get("access_token")  # in the query only: a header or a body is not looked at
    if entry.credential == "none":
        return call.text("corpid") or call.text("appid")
    if entry.credential == "corp":
        call.app_or_mini = engine.tokens.check_corp(token)
    elif entry.credential == "mini":
        call.app_or_mini = engine.tokens.check_mini(token)
    else:
        known = engine.world.tokens.get(token or "")
        mini = known is not None and known.kind in ("mini", "stable")
        call.app_or_mini = engine.tokens.check_mini(token) if mini else engine.tokens.check_corp(token)
    return call.owner


def _error(error: WireError, entry: Entry) -> dict[str, Any]:
    body = error.body()
    link = f"more info at https://open.work.weixin.qq.com/devtool/query?e={error.errcode}"
    body["errmsg"] = f"{error.errmsg}, hint: [{int(time.time())}], from ip: 127.0.0.1, {link}"
    return body | {name: [] for name in entry.empty}


def _json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status=status, headers=headers, content_type="application/json; charset=UTF-8")
