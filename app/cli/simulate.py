"""`flask simulate`: the stand-in for Tencent's servers and clients."""

from __future__ import annotations

import os
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from app.settings import Settings
from app.wechat.simulator import server

group = AppGroup("simulate", help="The WeCom and WeChat simulator.")


@group.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8001, show_default=True)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file that keeps its world.")
def serve(host: str, port: int, state: Path | None) -> None:
    """Run the simulator until it is told to stop; production settings refuse it."""
    settings: Settings = current_app.extensions["siyu"]
    folder = os.environ.get("SIYU_VAR")
    server.serve(
        host=host,
        port=port,
        state_path=state or (Path(folder) / "simulator.sqlite" if folder else None),
        product_url=settings.public_url,
        public_url=os.environ.get("SIMULATOR_URL", f"http://{host}:{port}"),
        production=settings.production,
    )
