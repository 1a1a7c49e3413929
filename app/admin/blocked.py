"""Values that identify nobody by decision: a store's landline, a phone that many share."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core import audit, ids, transaction
from app.core.errors import Conflict, NotFound, SiyuError
from app.core.fields import Page
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.rules import Identity, mobile
from app.org import queries as org

from . import scope
from .blueprint import api
from .cases import GroupDecision
from .console import console

BLOCKABLE = ("mobile", "card", "mall")


class AlreadyBlocked(Conflict):
    code, message = "already_blocked", "This value is blocked already."


class BlockIn(Schema):
    kind = fields.String(required=True, validate=OneOf(BLOCKABLE))
    value = fields.String(required=True, validate=Length(1, 128))
    reason = fields.String(required=True, validate=Length(2, 200))


class BlockedOut(Schema):
    key = fields.String(metadata={"description": "Names the value when it is unblocked; of a phone, its blind index."})
    kind = fields.String()
    shown = fields.String()
    reason = fields.String()
    created_at = fields.AwareDateTime()


class BlockedListOut(Page):
    items = fields.List(fields.Nested(BlockedOut))


@api.get("/blocked-values")
@api.output(BlockedListOut)
@api.doc(summary="Values that identify nobody", security="AdminToken", responses=[401, 403])
def blocked_values() -> dict[str, Any]:
    return {"items": blocked(), "next_cursor": None}


@api.post("/blocked-values")
@api.input(BlockIn, arg_name="given")
@api.output(BlockedListOut, status_code=201)
@api.doc(summary="Let a value identify nobody", security="AdminToken", responses=[401, 403, 409, 422])
def block_value(given: dict[str, str]) -> dict[str, Any]:
    """A store's landline, a phone that many share. Links that stand are not undone."""
    block(given["kind"], given["value"], given["reason"])
    return {"items": blocked(), "next_cursor": None}


@api.delete("/blocked-values/<kind>/<key>")
@api.output(BlockedListOut)
@api.doc(summary="Let a value identify again", security="AdminToken", responses=[401, 403, 404])
def unblock_value(kind: str, key: str) -> dict[str, Any]:
    unblock(kind, key)
    return {"items": blocked(), "next_cursor": None}


@console.get("/blocked")
def blocked_page() -> str:
    return _page()


@console.post("/blocked")
def change_blocked() -> ResponseReturnValue:
    """Block a value, or with `key` let one identify again."""
    form = request.form
    try:
        if form.get("key"):
            unblock(form.get("kind", ""), form["key"])
        else:
            reason, value = form.get("reason", "").strip(), form.get("value", "").strip()
            if form.get("kind") not in BLOCKABLE or not 2 <= len(reason) <= 200 or not 0 < len(value) <= 128:
                return _page("请填写要屏蔽的号码与原因（2～200 字）。")
            block(form["kind"], value, reason)
    except AlreadyBlocked:
        return _page("该号码已在屏蔽名单中。")
    except GroupDecision:
        return _page("屏蔽名单对集团所有品牌生效，请由集团管理员操作。")
    except SiyuError:
        return _page("未能完成，请检查号码是否正确。")
    return redirect(url_for("console.blocked_page"))


def blocked() -> list[dict[str, Any]]:
    """The blocked values, for the API and the console alike."""
    rows = identity_queries.blocked_values()
    return [
        {
            "key": row.value,
            **{name: getattr(row, name) for name in ("kind", "shown", "reason", "created_at")},
        }
        for row in rows
    ]


def block(kind: str, value: str, reason: str) -> None:
    """Block a value in every brand; AlreadyBlocked, PhoneInvalid."""
    me = _of_all_brands()
    one = mobile(value) if kind == "mobile" else Identity(kind, ids.encode("brd", me.brand_id), value)  # type: ignore[arg-type]

    def work() -> None:
        if not identity.block(one, reason=reason):
            raise AlreadyBlocked()
        audit.record(actor=me.actor, action="identity.blocked", subject=kind, reason=reason)

    transaction.run(work)


def unblock(kind: str, key: str) -> None:
    """Unblock a value by its key; NotFound when it is not blocked."""
    me = _of_all_brands()

    def work() -> None:
        if not identity.unblock(kind=kind, value=key):
            raise NotFound()
        audit.record(actor=me.actor, action="identity.unblocked", subject=kind)

    transaction.run(work)


def _page(refused: str = "") -> str:
    return render_template("console/blocked.html", items=blocked(), refused=refused, kinds=BLOCKABLE)


def _of_all_brands() -> scope.Scope:
    """Values are blocked in all brands at once: where there are several, a user of the group does it."""
    me = scope.current()
    if not me.group and len(org.brands()) > 1:
        raise GroupDecision()
    return me
