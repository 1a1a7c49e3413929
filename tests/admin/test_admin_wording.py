"""What operators read is Chinese, whatever the code behind it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import app
from app.admin import audit_wording, wording
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


def _recorded() -> set[str]:
    """Every action that some code of ours records; of a spelled one what stands before its variable part."""
    found: set[str] = set()
    for path in (Path(app.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.keywords if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record" else []
            values = [one.value for one in named if one.arg == "action"]
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "action":
                values = [node.value]
            for value in values:
                first = value.values[:1] if isinstance(value, ast.JoinedStr) else ast.walk(value)
                found |= {one.value for one in first if isinstance(one, ast.Constant)}
    return {code for code in found if isinstance(code, str) and re.fullmatch(r"[a-z_]+\.[a-z_]*", code)}


def test_every_action_that_is_recorded_is_said_in_chinese() -> None:
    recorded = _recorded()
    assert {"desk.undo", "reviews.merged", "campaigns."} <= recorded
    unsaid = {code for code in recorded if not any(known.startswith(code) for known in audit_wording.ACTION)}
    assert unsaid == set()
