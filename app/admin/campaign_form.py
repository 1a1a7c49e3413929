"""The form of a campaign and of its terms as the API's body, and back: yuan, folds and dates as operators write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import Schema, ValidationError

from app.coupons.rules import FULL_BP

from . import scope
from .campaign_terms import TermsSchema
from .campaigns import CampaignIn
from .form_values import FormWrong, day, fen, whole

FIELD = {
    "code": "活动编码",
    "name": "活动名称",
    "kind": "券类型",
    "quota": "发行总量",
    "day_quota": "每日限量",
    "budget_fen": "优惠预算",
    "amount_fen": "优惠金额",
    "threshold_fen": "使用门槛",
    "percent_bp": "折扣",
    "cap_fen": "最高优惠",
    "gift_skus": "兑换商品",
    "skus": "适用商品",
    "categories": "适用品类",
    "except_skus": "不适用商品",
    "except_categories": "不适用品类",
    "starts_at": "开始日期",
    "ends_at": "结束日期",
    "ends_at or valid_days": "结束日期或有效天数",
    "wait_days": "生效等待天数",
    "valid_days": "有效天数",
    "weekdays": "可用星期",
    "hours": "可用时段",
    "only_days": "仅限日期",
    "except_days": "不可用日期",
    "stores": "适用门店",
    "dealers": "适用经销商",
    "regions": "适用区域",
    "except_stores": "不适用门店",
    "channels": "可用渠道",
    "stack_group": "叠加组",
    "per_member": "每人限领",
    "per_day": "每人每天限领",
    "per_week": "每人每周限领",
    "per_month": "每人每月限领",
    "grace_days": "退回后宽限天数",
    "supplier": "供应商",
    "supplier_bp": "供应商承担",
    "hq_bp": "总部承担",
}
_NUMBERS = ("per_member", "per_day", "per_week", "per_month", "wait_days", "valid_days", "grace_days")
CHOICES = ("weekdays", "channels", "stores", "dealers", "regions", "except_stores")  # of which several may be chosen
_LISTS = ("gift_skus", "skus", "categories", "except_skus", "except_categories", "only_days", "except_days")
_SPAN = re.compile(r"(\d{1,2}:\d{2})\s*[-–—~至]\s*(\d{1,2}:\d{2})")
_BETWEEN = re.compile(r"[,，、;；\s]+")


def asked(form: Mapping[str, Any]) -> dict[str, Any]:
    """The API's body behind the form, checked; FormWrong names the fields."""
    given = {
        "code": form.get("code", "").strip(),
        "name": form.get("name", "").strip(),
        "quota": whole(form.get("quota", ""), "发行总量"),
        "claimable": form.get("claimable") == "yes",
        "budget_fen": fen(form.get("budget", ""), "优惠预算") or None,
        "day_quota": whole(form["day_quota"], "每日限量") if form.get("day_quota") else None,
        "terms": _terms(form),
    }
    return _loaded(CampaignIn(), given)


def asked_terms(form: Mapping[str, Any], was: Mapping[str, Any]) -> dict[str, Any]:
    """The API's body of new terms for a campaign whose terms are `was` (see campaign_terms.as_given); FormWrong.

    The form has days; a moment of a day that was set otherwise stays as long as its day does.
    """
    shown, given = filled(was), _terms(form) | {"kind": was["kind"]}
    for field, name in (("starts", "starts_at"), ("ends", "ends_at")):
        if was[name] is not None and form.get(field, "").strip() == shown[field]:
            given[name] = was[name].isoformat()
    return _loaded(TermsSchema(), given)


def filled(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The form that says these terms, given as campaign_terms.as_given spells them."""
    form: dict[str, Any] = {name: list(map(str, terms[name] or ())) for name in CHOICES}
    form |= {name: "，".join(map(str, terms[name] or ())) for name in _LISTS}
    form |= {name: str(terms[name] or "") for name in (*_NUMBERS, "kind", "stack_group", "returns", "supplier")}
    sums = (("amount", "amount_fen"), ("threshold", "threshold_fen"), ("cap", "cap_fen"))
    form |= {field: _short(terms[name], 100) if terms[name] else "" for field, name in sums}
    form |= {
        "folds": _short(FULL_BP - terms["percent_bp"], 1000) if terms["percent_bp"] else "",
        "hours": "，".join(f"{start}-{end}" for start, end in terms["hours"]),
        "transferable": "yes" if terms["transferable"] else "",
        "supplier_share": _short(terms["supplier_bp"], 100) if terms["supplier"] else "",
        "hq_share": _short(terms["hq_bp"], 100),
        "starts": _shown_day(terms["starts_at"], timedelta()),
        "ends": _shown_day(terms["ends_at"], timedelta(microseconds=1)),
    }
    return form


def _loaded(schema: Schema, given: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(schema.load(given))
    except ValidationError as error:
        raise FormWrong(f"请检查：{'、'.join(_named(error.messages_dict))}。") from error


def _short(value: int, unit: int) -> str:
    """A number of units without needless zeros: 1500 by 100 is 15, 4990 is 49.9."""
    return f"{(Decimal(value) / unit).normalize():f}"


def _shown_day(moment: datetime | None, before: timedelta) -> str:
    if moment is None:
        return ""
    return f"{(moment - before).astimezone(ZoneInfo(scope.current().timezone)):%Y-%m-%d}"


def _terms(form: Mapping[str, Any]) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "kind": form.get("kind", ""),
        "amount_fen": fen(form.get("amount", ""), "优惠金额"),
        "threshold_fen": fen(form.get("threshold", ""), "使用门槛"),
        "cap_fen": fen(form.get("cap", ""), "最高优惠") or None,
        "percent_bp": _off(form.get("folds", "")),
        "hours": [list(_clock(span)) for span in _SPAN.findall(form.get("hours", ""))],
        "weekdays": [int(one) for one in form.get("weekdays") or () if one.isdigit()] or None,
        "channels": list(form.get("channels") or ()) or None,
        "stores": list(form.get("stores") or ()) or None,
        "dealers": list(form.get("dealers") or ()) or None,
        "regions": list(form.get("regions") or ()) or None,
        "except_stores": list(form.get("except_stores") or ()),
        "stack_group": form.get("stack_group", "").strip(),
        "returns": form.get("returns", "full"),
        "transferable": form.get("transferable") == "yes",
        "supplier": form.get("supplier", "").strip(),
        "supplier_bp": _share(form.get("supplier_share", ""), "供应商承担", 0),
        "hq_bp": _share(form.get("hq_share", ""), "总部承担", FULL_BP),
        "starts_at": _day(form.get("starts", ""), "开始日期", 0),
        "ends_at": _day(form.get("ends", ""), "结束日期", 1),
    }
    if form.get("hours", "").strip() and not terms["hours"]:
        raise FormWrong("可用时段不正确，请按 10:00-14:00 填写，多个时段用逗号分开。")
    terms |= {name: whole(form[name], FIELD[name], least=0) for name in _NUMBERS if form.get(name, "").strip()}
    terms |= {name: told for name in _LISTS if (told := [one for one in _BETWEEN.split(form.get(name, "")) if one])}
    return terms


def _off(folds: str) -> int:
    """The share taken off behind folds: 8.5 is 1500; 0 for nothing."""
    if not folds.strip():
        return 0
    value = _decimal(folds, "折扣不正确，请填写 0 至 9.9 之间的数，例如 8.5。", 10)
    return FULL_BP - int(value * 1000)


def _share(text: str, what: str, otherwise: int) -> int:
    """A percentage in basis points."""
    if not text.strip():
        return otherwise
    return int(_decimal(text, f"{what}不正确，请填写 0 至 100 的百分比。", 101) * 100)


def _decimal(text: str, wrong: str, below: int) -> Decimal:
    try:
        value = Decimal(text.strip().removesuffix("%"))
    except InvalidOperation:
        raise FormWrong(wrong) from None
    if not value.is_finite() or not 0 <= value < below:
        raise FormWrong(wrong)
    return value


def _day(text: str, what: str, more: int) -> str | None:
    """The beginning of a local day, or of the one after it, as the API wants it."""
    if not text.strip():
        return None
    begins = day(text, what) + timedelta(days=more)
    return datetime.combine(begins, time(), ZoneInfo(scope.current().timezone)).isoformat()


def _clock(span: tuple[str, str]) -> tuple[str, str]:
    return span[0].zfill(5), span[1].zfill(5)


def _named(messages: Mapping[str, Any]) -> list[str]:
    """The names of the fields that a schema complains of."""
    names: list[str] = []
    for name, inner in messages.items():
        names += _named(inner) if name == "terms" and isinstance(inner, dict) else [FIELD.get(name, name)]
    return names
