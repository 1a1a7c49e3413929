"""The simulator behind the `responses` library: unit tests reach the same WSGI application without a socket.

    engine = Engine(clock=..)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        register(mock, engine)
        requests.get("https://qyapi.weixin.qq.com/cgi-bin/gettoken", ...)

Latency faults do not sleep: they raise a read timeout when they exceed the request's own.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask

from app.wechat.simulator.api import DROP_HEADER, LATENCY_HEADER
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.server import create_app

HOSTS = ("https://qyapi.weixin.qq.com", "https://api.weixin.qq.com")


def register(mock: Any, engine: Engine, *, hosts: tuple[str, ...] = HOSTS) -> Flask:
    """Answer every request of `mock` (a responses.RequestsMock) to `hosts` from `engine`; answers the application."""
    app = create_app(engine, public_url="http://simulator.invalid")

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(request.url)
        headers = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        response = app.test_client().open(
            url.path,
            method=request.method,
            query_string=url.query,
            headers=headers,
            data=body,
            environ_overrides={"simulator.bridge": True},
        )
        if response.headers.get(DROP_HEADER):
            raise requests.ConnectionError("connection dropped by the simulator")
        latency = float(response.headers.get(LATENCY_HEADER, 0)) / 1000
        if _exceeds(latency, request.req_kwargs.get("timeout")):
            raise requests.ReadTimeout("the simulator was slower than the timeout")
        kept = {k: v for k, v in response.headers.items() if k.lower() not in ("content-length", "content-type")}
        return response.status_code, kept | {"Content-Type": response.content_type}, response.get_data()

    for host in hosts:
        pattern = re.compile(re.escape(host) + r"/.*")
        for method in ("GET", "POST"):
            mock.add_callback(method, pattern, callback=answer, content_type=None)
    return app


def _exceeds(latency: float, timeout: Any) -> bool:
    read = timeout[1] if isinstance(timeout, tuple) else timeout
    return read is not None and latency > float(read)
