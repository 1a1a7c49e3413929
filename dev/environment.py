"""The environment of a demonstration instance: what the processes read, with secrets made once and kept."""
from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

from dev import processes

CHECKOUT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("SIYU_VAR") or CHECKOUT / "var").absolute()
INSTANCE = VAR / "instance.json"
PREFERRED_PORTS = {"web": 8000, "simulator": 8001}


def write_private(path: Path, text: str) -> None:
    """Replace a file at one stroke; only we may read it."""
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


def load_secrets() -> dict[str, str]:
    """The keys of var/secrets.env, made at the first start. Without them the data of var/services cannot be read."""
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "BLIND_INDEX_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    return keep_secrets(made)


def keep_secrets(made: dict[str, str]) -> dict[str, str]:
    """All that var/secrets.env holds, with what was made for names that it lacked; values are of one line."""
    path = VAR / "secrets.env"
    kept = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line) if path.exists() else {}
    both = {**made, **kept}
    if both != kept:
        write_private(path, "".join(f"{name}={value}\n" for name, value in both.items()))
    return both


def choose_ports() -> dict[str, int]:
    """The ports of the last start while they are free, else the usual ones, else any."""
    path = VAR / "ports.json"
    try:
        last = json.loads(path.read_text())
    except (OSError, ValueError):
        last = {}
    chosen: dict[str, int] = {}
    for name, usual in PREFERRED_PORTS.items():
        wanted = last.get(name)
        port = processes.free_port(wanted if isinstance(wanted, int) else usual)
        while port in chosen.values():
            port = processes.free_port()
        chosen[name] = port
    write_private(path, json.dumps(chosen) + "\n")
    return chosen


def build(services: dict[str, str], ports: dict[str, int]) -> dict[str, str]:
    """The whole environment. What the caller's own environment says goes before what is chosen here."""
    web, simulator = (f"http://{processes.HOST}:{ports[name]}" for name in ("web", "simulator"))
    chosen = {
        **load_secrets(),
        "SIYU_ENV": "demo",
        "PUBLIC_URL": web,
        "WECOM_API_BASE": simulator,
        "WECHAT_API_BASE": simulator,
        "WECHAT_OPEN_BASE": simulator,
        "WECOM_JSSDK_URL": f"{simulator}/jssdk/ww.js",
        "HOST": processes.HOST,
    }
    # Where the caller keeps Python from storing compiled files, ten processes would compile the same code every time.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **chosen,
        **inherited,
        **services,
        "PORT": str(ports["web"]),
        "SIMULATOR_PORT": str(ports["simulator"]),
        "SIMULATOR_URL": simulator,
        "SIYU_VAR": str(VAR),
        "VIRTUAL_ENV": str(CHECKOUT / ".venv"),
        "PATH": f"{CHECKOUT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }


def read_instance() -> dict[str, Any]:
    """What var/instance.json says of the running instance; empty when there is none to read."""
    try:
        found = json.loads(INSTANCE.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
