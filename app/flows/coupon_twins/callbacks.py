"""What WeChat Pay tells of product coupons: sent, used, given back, withdrawn, expired. Each message may come several
times, late and in any order; it changes what we know only when it is news, and has both sides compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.core.errors import Invalid
from app.core.inbox import Inbox
from app.coupons.twins import commands, queries, rules
from app.coupons.twins.rules import Fact
from app.wechat.pay.notice import moment

from . import reactions

KINDS = ("send", "use", "return", "deactivate", "expire", "delete")
PREFIX = "wxpay.product_coupon"
_SAYS = {
    "send": ("confirming", rules.SENT, ("receive_time",)),
    "use": ("used", rules.USED, ("use_time",)),
    "return": ("effective", rules.RETURNED, ("return_time",)),
    "deactivate": ("deactivated", rules.OVER, ("deactivate_time",)),
    "expire": ("expired", rules.OVER, ("valid_end_time",)),
    "delete": ("deleted", rules.OVER, ("delete_time",)),
}
_MOST = 128


class NoticeIncomplete(Invalid):
    code, message = "notice_incomplete", "The notice lacks a field that every such notice has."


def told(row: Inbox) -> None:
    """For every kind of `KINDS`: write down what is news, and have both sides compared."""
    kind = row.kind.removeprefix(f"{PREFIX}.")
    fields = row.payload
    fact = _fact(kind, fields)
    code, stock_id = _text(fields, "coupon_code"), _text(fields, "stock_id")
    if code is None or stock_id is None:
        raise NoticeIncomplete()
    twin = queries.twin_there(rules.PRODUCT, stock_id, code=code, send_no=_text(fields, "send_request_no"))
    if twin is None:
        if kind == "send":
            _taken_there(stock_id, fields, fact)
        return
    key: dict[str, Any] = {"brand_id": twin.brand_id, "member_id": twin.member_id, "coupon_id": twin.coupon_id}
    commands.note_fact(**key, fact=fact)
    commands.due(**key)


def _taken_there(stock_id: str, fields: Mapping[str, Any], fact: Fact) -> None:
    """A user took a coupon in WeChat. Who is no member yet finds it when they become one."""
    binding, openid = queries.binding_of_stock(rules.PRODUCT, stock_id), _text(fields, "openid")
    if binding is None or binding.own_codes or binding.state == "unbound" or openid is None:
        return
    appid = _text(fields, "appid") or reactions.app_of(binding.brand_id)
    if appid is not None:
        reactions.take_in(binding, appid=appid, openid=openid, fact=fact)


def _fact(kind: str, fields: Mapping[str, Any]) -> Fact:
    state, rank, names = _SAYS[kind]
    detail = fields.get("single_usage_detail")
    detail = detail if isinstance(detail, dict) else {}
    at = next((found for name in names for found in (_moment(fields, name), _moment(detail, name)) if found), None)
    at = at or _moment(fields, "notice_time")
    if at is None:
        raise NoticeIncomplete()
    order = detail.get("associated_order_info", fields.get("associated_order_info"))
    used = kind == "use"
    return Fact(
        state,
        at,
        rank,
        _text(fields, "coupon_code"),
        (_text(detail, "use_request_no") or _text(fields, "use_request_no")) if used else None,
        _text(order, "out_trade_no") if used and isinstance(order, dict) else None,
    )


def _moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    return moment(fields.get(name))


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= _MOST else None
