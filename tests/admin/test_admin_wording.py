"""What operators read is Chinese, whatever the code behind it."""

from __future__ import annotations

import pytest

from app.admin import wording
from app.coupons import rules

SOURCES = [
    "till",
    "pos",
    "mall",
    "miniapp",
    "miniapp.phone",
    "miniapp.login",
    "official.event",
    "official.login",
    "official.user",
    "import:erp",
    "wecom",
    "wecom.contact",
    "wecom.customer_added",
    "wecom.customer_lost",
    "wecom.convert",
    "wecom.sync",
    "code",
    "review",
    "split",
    "sop",
    "tier",
]
REASONS = [
    "joined",
    "filled",
    "guide_assigned",
    "added",
    "import",
    "active",
    "lost",
    "deleted",
    "opened",
    "follow",
    "handover",
    "console",
    "merge",
    "split",
    "code",
]


@pytest.mark.parametrize("code", [*SOURCES, *rules.SOURCES])
def test_where_a_thing_was_told_is_said_in_chinese(code: str) -> None:
    assert not wording.source(code).isascii()
    assert wording.merge_reason(f"{code}: mobile") == f"{wording.source(code)}（手机号）"


@pytest.mark.parametrize("code", REASONS)
def test_why_a_guide_or_store_changed_is_said_in_chinese(code: str) -> None:
    assert not wording.change_reason(code).isascii()
