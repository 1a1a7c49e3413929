"""The browser of the browser tests: the Chromium that CHROMIUM or the PATH names; without one they are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

PATH = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not PATH:
        pytest.skip("no Chromium: set CHROMIUM or put one on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=["--no-sandbox"])
        yield browser
        browser.close()
