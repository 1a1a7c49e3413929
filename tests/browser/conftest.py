"""A real browser against a real server of this process, on the test database."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
SHOTS = Path(__file__).parent.parent.parent / "var" / "screenshots"


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    if not CHROMIUM:
        pytest.skip("no Chromium: set CHROMIUM or put one on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(app) -> Iterator[str]:  # type: ignore[no-untyped-def]
    """The application served over HTTP; the address without a slash at its end."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(chromium, address) -> Iterator[object]:  # type: ignore[no-untyped-def]
    """A fresh browser page; a script error or a refused resource fails the test."""
    context = chromium.new_context(base_url=address, locale="zh-CN", timezone_id="Asia/Shanghai")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console", lambda said: problems.append(said.text) if said.type == "error" and "401" not in said.text else None
    )
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def shot():  # type: ignore[no-untyped-def]
    """Keep a picture of the page as an artefact: `shot(page, "today")`."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
