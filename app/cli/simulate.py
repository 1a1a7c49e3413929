"""`flask simulate`: the stand-in for Tencent's servers and clients."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from app.settings import Settings
from app.wechat.simulator import server
from app.wechat.simulator.engine.pay import pem_pair, public_pem

group = AppGroup("simulate", help="The WeCom and WeChat simulator.")


@group.command("pay-keys")
def pay_keys() -> None:
    """Print a new account at the simulated WeChat Pay as JSON: environment names of the product and the simulator."""
    private, _ = pem_pair()
    platform_private, platform_public = pem_pair()
    names = {
        "WXPAY_BRAND_ID": "120344",
        "WXPAY_SERIAL_NO": secrets.token_hex(20).upper(),
        "WXPAY_PRIVATE_KEY": private,
        "WXPAY_API_V3_KEY": secrets.token_hex(16),
        "WXPAY_PUBLIC_KEY_ID": f"PUB_KEY_ID_{secrets.randbelow(10**20):020}",
        "WXPAY_PUBLIC_KEY": platform_public,
        "SIMULATOR_WXPAY_KEY": platform_private,
    }
    click.echo(json.dumps({name: value.replace("\n", "\\n") for name, value in names.items()}))


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
        pay_brand=_pay_brand(settings),
    )


def _pay_brand(settings: Settings) -> dict[str, Any] | None:
    """The account at WeChat Pay as WeChat Pay knows it, when SIMULATOR_WXPAY_KEY holds WeChat Pay's own key."""
    account, platform_key = settings.pay, os.environ.get("SIMULATOR_WXPAY_KEY", "")
    if account is None or not platform_key:
        return None
    return {
        "brand_id": account.id,
        "serial_no": account.serial_no,
        "public_key": public_pem(account.private_key),
        "platform_key": platform_key,
        "platform_id": account.platform_serial,
        "api_v3_key": account.api_v3_key.decode(),
        "notify_url": f"{settings.public_url}/hooks/wxpay/{account.id}",
    }
