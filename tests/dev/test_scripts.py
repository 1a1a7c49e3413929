from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dev import bootstrap, environment, instance
from dev.processes import HOST, free_port
from dev.processes import socket as sockets

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((CHECKOUT / "dev").glob("*.py")), ids=lambda path: path.name)
def test_scripts_need_the_standard_library_only(path: Path) -> None:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    assert modules <= sys.stdlib_module_names | {"dev"}


def test_locks_name_no_server() -> None:
    for lock in ("requirements.lock", "dev/assets/node.lock", "dev/assets/package-lock.json"):
        assert "://" not in (CHECKOUT / lock).read_text()


def test_every_locked_package_has_a_hash() -> None:
    blocks = re.split(r"^(?=\S)", bootstrap.LOCK.read_text(), flags=re.MULTILINE)
    assert all("--hash=sha256:" in block for block in blocks if block.strip())


def test_secrets_are_made_once_and_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "VAR", tmp_path)
    made = environment.load_secrets()
    assert environment.load_secrets() == made
    assert (tmp_path / "secrets.env").stat().st_mode & 0o077 == 0


def test_ports_are_kept_while_they_are_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "VAR", tmp_path)
    monkeypatch.setattr(environment, "PREFERRED_PORTS", {"web": free_port(), "simulator": free_port()})
    chosen = environment.choose_ports()
    assert environment.choose_ports() == chosen
    with sockets.create_server((HOST, chosen["web"])):
        assert environment.choose_ports()["web"] != chosen["web"]


def test_a_callers_settings_go_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "VAR", tmp_path)
    monkeypatch.setenv("PUBLIC_URL", "https://siyu.example")
    services = {"DATABASE_URL": "postgresql://x/y", "REDIS_URL": "redis://x"}
    built = environment.build(services, {"web": 1, "simulator": 2})
    assert built["PUBLIC_URL"] == "https://siyu.example"
    assert built["DATABASE_URL"] == "postgresql://x/y"


def test_tasks_and_makefile_agree() -> None:
    command = [sys.executable, "-m", "dev", "help"]
    shown = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    tasks = set(re.findall(r"^  (\S+)", shown.stdout, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == tasks


def test_stop_signals_nobody_but_the_holder_of_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(instance, "VAR", tmp_path)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "instance.lock").write_text(f"{bystander.pid}\n")  # left by an instance that was killed
        assert instance.stop() == 0
        assert bystander.poll() is None
        bystander.kill()
