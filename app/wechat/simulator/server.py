"""The simulator's web application: Tencent's paths, the control API and the client pages over one engine.

app = create_app(engine, sender, product_url="http://127.0.0.1:8000")
serve(host="127.0.0.1", port=8300, state_path="var/simulator.sqlite", product_url=.., production=False)
"""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path
from typing import Any

import structlog
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

# Importing these modules registers their paths.
from app.wechat.simulator import oauth, pages
from app.wechat.simulator.api import acquisition, blueprint, customers, groups, miniprogram, official, wecom
from app.wechat.simulator.api.pay import pay as pay_api
from app.wechat.simulator.control import actions, control, office, operations, pay, rows
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.sender import Sender
from app.wechat.simulator.store import Store

log = structlog.get_logger(__name__)
MAX_REQUEST = 64 << 20  # bytes; a seed of 20,000 customers is about 4 MB
REGISTERED = (acquisition, customers, groups, miniprogram, official, wecom, actions, office, operations, pay, rows)


def create_app(engine: Engine, sender: Sender | None = None, *, product_url: str = "", public_url: str = "") -> Flask:
    """`public_url` is how browsers reach the simulator (default: the host of the request)."""
    app = Flask(
        "siyu_simulator",
        template_folder=str(Path(__file__).parent / "templates"),
        static_folder=str(Path(__file__).parent / "static"),
        static_url_path="/static",
    )
    app.config.update(
        ENGINE=engine,
        SENDER=sender or Sender(engine),
        PRODUCT_URL=product_url.rstrip("/"),
        PUBLIC_URL=public_url.rstrip("/"),
        MAX_CONTENT_LENGTH=MAX_REQUEST,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.register_blueprint(blueprint())
    app.register_blueprint(pay_api)
    app.register_blueprint(control)
    app.register_blueprint(oauth.pages)
    app.register_blueprint(pages.clients)
    return app


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """The journal holds the calls; a line per request would only slow a load test."""


def serve(
    *,
    host: str,
    port: int,
    state_path: Path | str | None,
    product_url: str,
    production: bool,
    public_url: str = "",
    seed: dict[str, Any] | None = None,
    seed_number: int = 7,
    pay_brand: dict[str, Any] | None = None,
) -> None:
    """Run until SIGINT or SIGTERM. `seed` is a body of /_control/seed, applied at every start; `pay_brand` is a brand
    at WeChat Pay (see engine.pay.put_brand), as its keys are made anew for each instance.

    `state_path` (SQLite) keeps the world over restarts; None keeps nothing. Raises RuntimeError in production: a
    stand-in for Tencent that hands out identities must never be reachable there.
    """
    if production:
        raise RuntimeError("The simulator does not start with production settings.")
    engine = Engine(seed=seed_number)
    store = Store(state_path) if state_path else None
    loaded = store.load(engine.world) if store else 0
    if pay_brand:
        engine.pay.put_brand(pay_brand)
    sender = Sender(engine)
    app = create_app(engine, sender, product_url=product_url, public_url=public_url)
    if seed:
        with app.test_client() as client:
            answer = client.post("/_control/seed", json=seed)
            if answer.status_code != 200:
                raise RuntimeError(f"The simulator's seed was refused: {answer.get_json()}")
    # Threads with keep-alive connections; unlike an asynchronous server it lets a fault cut one connection.
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sender.start()
    if store:
        store.start(engine.world)

    def stop(*_: Any) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
    log.info("simulator_ready", host=host, port=server.port, rows=loaded)
    try:
        server.serve_forever()
    finally:
        server.server_close()
        sender.stop()
        if store:
            store.stop(engine.world)
