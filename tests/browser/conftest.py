"""A real browser against a real server of this process, on the test database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import serving

ANSWERED = re.compile("status of (401|409|422)")
SHOTS = Path(__file__).parent.parent.parent / "var" / "screenshots"


@pytest.fixture
def address(app) -> Iterator[str]:  # type: ignore[no-untyped-def]
    """The application served over HTTP; the address without a slash at its end."""
    with serving(app) as address:
        yield address


@pytest.fixture
def page(chromium, address) -> Iterator[object]:  # type: ignore[no-untyped-def]
    """A fresh browser page; a script error or a refused resource fails the test. A login, or a form that is answered
    with what is wrong in it, is none."""
    context = chromium.new_context(base_url=address, locale="zh-CN", timezone_id="Asia/Shanghai")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda said: None if ANSWERED.search(said.text) or said.type != "error" else problems.append(said.text),
    )
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def shot():  # type: ignore[no-untyped-def]
    """Keep a picture of the page as an artefact: `shot(page, "today")`; with `full_page=False`, of what is in view."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name, full_page=True: page.screenshot(path=SHOTS / f"{name}.png", full_page=full_page)
