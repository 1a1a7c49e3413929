"""The README's pictures of a running instance: `python -m tests.story.pictures docs`. Needs Chromium.

Plays the story first, so that every page has something to show.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from .clients import instance
from .tale import Tale

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    described = instance()
    tale = Tale(described).tell()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, size, shoot in (
            ("console", (1440, 900), _console),
            ("sidebar", (1280, 860), _sidebar),
            ("miniprogram", (1280, 860), _miniprogram),
            ("control-room", (1280, 860), _control_room),
        ):
            context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
            page = context.new_page()
            shoot(page, described, tale)
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}.png")
            context.close()
        browser.close()
    return 0


def _console(page: Page, described: dict[str, Any], tale: Tale) -> None:
    page.goto(f"{described['web_url']}/console/")
    page.fill("input[name=login]", described["admin"]["login"])
    page.fill("input[name=password]", described["admin"]["password"])
    page.click("button[type=submit]")
    page.wait_for_selector("svg")


def _sidebar(page: Page, described: dict[str, Any], tale: Tale) -> None:
    page.goto(f"{described['simulator_url']}/client/wecom?staff={tale.guide_userid}&customer={tale.customer}")
    page.wait_for_selector("iframe")


def _miniprogram(page: Page, described: dict[str, Any], tale: Tale) -> None:
    """Logged in, showing the benefit coupon's rotating code."""
    page.goto(f"{described['simulator_url']}/client/miniprogram?customer={tale.customer}")
    page.click("main button.primary")
    page.wait_for_selector("main button:not(.primary)")
    page.click("[data-tab=wallet]")
    page.click("main button.primary.small")


def _control_room(page: Page, described: dict[str, Any], tale: Tale) -> None:
    page.goto(f"{described['simulator_url']}/")


if __name__ == "__main__":
    sys.exit(main())
