"""What operators read is Chinese, whatever the code behind it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import app
from app.admin import audit_wording, campaigns, coupon_flags, coupon_pushes, gift_rules, wording
from app.coupons import rules
from app.coupons.statements import commands as statements

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


def test_every_fact_that_is_recorded_is_said_in_chinese() -> None:
    """Named in the call, or a field of what the caller was given."""
    given = [campaigns.PolicySchema, campaigns.SupplyIn, coupon_pushes.PushIn, gift_rules.GiftRuleIn]
    names = {field for schema in [*given, coupon_flags.FraudRuleIn] for field in schema().fields}
    names |= set(statements.Asked._fields) | {"kind", "dry_run", "version", "digest"}
    for path in (Path(app.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                names |= {one.arg for one in node.keywords if one.arg} - {"actor", "action", "subject"}
    assert {"second_factor", "order_no", "approve_quota", "window_seconds"} <= names
    assert names - audit_wording.FACT.keys() == set()


def test_facts_of_the_audit_log_are_read_as_people_read() -> None:
    told = {
        "second_factor": False,
        "budget_fen": 123_450,
        "hold_out_bp": 1_050,
        "role": "store",
        "rule": "desk_redeems",
        "reason": "wrong_amount",
        "stores": {"S001": 30, "S002": 5},
        "removed": {"ids": 3, "orders": 1_200},
        "day_quota": None,
    }
    assert dict(audit_wording.facts(told)) == {
        "两步验证": "否",
        "预算": "¥1,234.50",
        "对照组": "10.5%",
        "角色": "门店",
        "规则": "同一收银账号核销激增",
        "原因": "金额或订单号录错",
        "门店配额": "S001 30、S002 5",
        "删除资料": "1,203 条",
    }
