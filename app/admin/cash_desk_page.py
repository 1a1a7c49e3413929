"""The page of the cash desk, for a phone or the PC at the counter. Without JavaScript a code is typed, or scanned by a
scanner that types.

Three steps, each a page of its own: the form, the coupon with its button, and what was done. The button's form carries
an idempotency key: pressed twice, sent again by a reload or by going back, it redeems once.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core import ids
from app.core.errors import NotFound, SiyuError
from app.core.idempotency import checked_key
from app.coupons import wording as coupon_words
from app.coupons.desk import UNDO_REASONS
from app.coupons.rules import SHIPPING, Line
from app.flows import cash_desk
from app.flows.cash_desk import Cashier, Order

from . import cash_desk as desk
from .console import console
from .form_values import FormWrong, fen

ROWS = 5  # lines that may be told by hand
_FIELDS = ("code", "order_no", "amount", "freight")
_LINE = ("sku", "category", "quantity", "price")
_COUNT = re.compile(r"[1-9]\d{0,3}")

Form = dict[str, Any]


@console.get("/desk")
def desk_page() -> ResponseReturnValue:
    store = request.args.get("store", "")[:64]
    if not store and len(desk.stores()) != 1:
        return render_template("console/desk.html", stores=desk.stores(), who=None)
    who = _cashier(store)
    done = request.args.get("done", "")[:64]
    return _page(who, done=desk.shown(who, ids.decode("dsk", done)) if done else None)


@console.post("/desk")
def desk_check() -> ResponseReturnValue:
    """The coupons with their terms, what they take off, and the button; or the form again with the reason why not.

    `held` are the codes that were good so far, `code` is one more.
    """
    who, form = _cashier(request.form.get("store", "")[:64]), _form()
    if request.form.get("edit"):
        return _page(who, form=form)
    try:
        order = _order(form)
        found = desk.looked(who, _codes(form), order)
    except FormWrong as wrong:
        return _page(who, form=form, refused=wrong.words, focus=wrong.field), 422
    except SiyuError as refusal:
        return _refused(who, form, refusal)
    good = [one for one in found["coupons"] if not one["why"]]
    form |= {"code": "", "held": [one["code"] for one in good]}
    refused = "；".join(one["why"]["words"] for one in found["coupons"] if one["why"])
    if good and order.lines:
        form["order_no"] = form["order_no"] or cash_desk.number(who.timezone)
        return _page(who, form=form, looked=found, refused=refused, ready=True), 422 if refused else 200
    return _page(who, form=form, looked=found, refused=refused, focus="code" if refused else "amount"), (
        422 if refused else 200
    )


@console.post("/desk/redeem")
def desk_redeem() -> ResponseReturnValue:
    """Redeems, and leads to a page that says so."""
    who, form = _cashier(request.form.get("store", "")[:64]), _form()
    try:
        order = _order(form)
        if not order.order_no:
            raise FormWrong("请填写订单号。", "order_no")
        done = desk.redeemed(who, checked_key(request.form.get("key")), _codes(form), order)
    except FormWrong as wrong:
        return _page(who, form=form, refused=wrong.words, focus=wrong.field), 422
    except SiyuError as refusal:
        return _refused(who, form, refusal)
    return redirect(_home(who, "done", ids.encode("dsk", done["slip_id"])), 303)


@console.post("/desk/<slip>/undo")
def desk_undo(slip: str) -> ResponseReturnValue:
    who = _cashier(request.form.get("store", "")[:64])
    reason = request.form.get("reason", "")
    if reason not in UNDO_REASONS:
        return _page(who, refused="请选择撤销原因。"), 422
    try:
        desk.undone(who, slip, reason)
    except NotFound:
        raise
    except SiyuError as refusal:
        return _refused(who, {}, refusal)
    return redirect(_home(who, "undone", slip), 303)


def _cashier(store: str) -> Cashier:
    found = desk.stores()
    return desk.cashier(store or (found[0].code if len(found) == 1 else ""))


def _home(who: Cashier, what: str, slip: str) -> str:
    values: dict[str, Any] = {"store": who.store.code, what: slip}
    return url_for("console.desk_page", **values)


def _refused(who: Cashier, form: Form, refusal: SiyuError) -> ResponseReturnValue:
    """The page with the reason. Codes are read anew: the one that was refused may be old or wrong."""
    words = str(refusal.data.get("words") or coupon_words.refusal(refusal))
    page = _page(who, form=form | {"code": "", "held": []}, refused=words)
    return page, 422 if isinstance(refusal, NotFound) else refusal.status  # this page is there; a code is not


def _page(who: Cashier, **state: Any) -> str:
    given = {"form": {}, "looked": None, "ready": False, "refused": "", "done": None, "focus": "code"} | state
    undone = request.args.get("undone", "")[:64]
    try:
        undone = _names(desk.shown(who, ids.decode("dsk", undone))) if undone else ""
    except NotFound:
        undone = ""
    return render_template(
        "console/desk.html",
        who=who,
        stores=desk.stores(),
        store=who.store.code,
        day=desk.today(who, request.args.get("cursor", "")[:200]),
        key=secrets.token_hex(16),
        rows=ROWS,
        undone=undone,
        **given,
    )


def _names(slip: dict[str, Any]) -> str:
    return "」「".join(one["name"] for one in slip["coupons"])


# ---- reading the form


def _form() -> Form:
    form: Form = {name: request.form.get(name, "").strip()[:64] for name in _FIELDS}
    lines = [{name: request.form.get(f"{name}_{row}", "").strip()[:64] for name in _LINE} for row in range(1, ROWS + 1)]
    form["held"] = [code.strip()[:64] for code in request.form.getlist("held")][: desk.MOST_COUPONS - 1]
    form["lines"] = [line for line in lines if any(line[name] for name in ("sku", "category", "price"))]
    return form


def _codes(form: Form) -> list[str]:
    codes = [*form["held"], *([form["code"]] if form["code"] else [])]
    if not codes:
        raise FormWrong("请扫描或输入券码。", "code")
    return codes


def _order(form: Form) -> Order:
    """The order as the form tells it: its lines, or its amount; without either it has no lines."""
    amount = fen(form["amount"], "应收金额", field="amount", most=desk.MOST_FEN)
    freight = fen(form["freight"], "运费", field="freight", most=desk.MOST_FEN)
    if not form["lines"]:
        return Order(order_no=form["order_no"], lines=cash_desk.basket(amount_fen=amount, freight_fen=freight))
    lines = [_line(number, line) for number, line in enumerate(form["lines"], 1)]
    if freight:
        lines.append(Line(len(lines) + 1, SHIPPING, SHIPPING, 1, freight))
    total = sum(line.amount_fen for line in lines)
    if amount and amount != total - freight:
        yuan = coupon_words.yuan
        raise FormWrong(f"商品合计 {yuan(total - freight)}，与应收金额 {yuan(amount)} 不一致，请核对。", "amount")
    return Order(order_no=form["order_no"], lines=tuple(lines))


def _line(number: int, line: dict[str, str]) -> Line:
    if not line["sku"] and not line["category"]:
        raise FormWrong(f"第 {number} 行请填写货号。", f"sku_{number}")
    quantity = line["quantity"] or "1"
    if not _COUNT.fullmatch(quantity):
        raise FormWrong(f"第 {number} 行的数量不正确。", f"quantity_{number}")
    price = fen(line["price"], f"第 {number} 行金额", field=f"price_{number}", most=desk.MOST_FEN)
    if not price:
        raise FormWrong(f"第 {number} 行请填写金额。", f"price_{number}")
    return Line(number, line["sku"] or cash_desk.GOODS, line["category"], int(quantity), price)
