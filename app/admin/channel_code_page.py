"""The console's page of channel codes: the list with numbers and QR codes, and the form for new ones."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.channels.codes import rules
from app.content import queries as content
from app.core import clock
from app.core.errors import SiyuError
from app.core.idempotency import checked_key
from app.dashboards.queries import channel_codes as queries
from app.org import queries as org

from . import scope
from .channel_codes import OrderIn, listed, ordered, retire, shown_picture
from .console import POLICY, console

PAGE = 20
_FIELDS = ("kind", "name", "purpose", "whom", "welcome", "days", "skip_verify")


@console.get("/channel-codes")
def channel_codes() -> ResponseReturnValue:
    return _page()


@console.post("/channel-codes")
def order_channel_codes() -> ResponseReturnValue:
    """One code for a store or guide, or one for each, as the form says."""
    form = {name: request.form.get(name, "").strip()[:120] for name in _FIELDS}
    try:
        made = ordered(OrderIn().load(_asked(form)), checked_key(request.form.get("key")))
    except ValidationError:
        return _page(failed="invalid", form=form), 422
    except SiyuError as error:
        return _page(failed=error.code, form=form), error.status
    return redirect(url_for("console.channel_codes", made=len(made["items"])))


@console.post("/channel-codes/<code_id>/retire")
def retire_channel_code(code_id: str) -> ResponseReturnValue:
    retire(code_id)
    return redirect(url_for("console.channel_codes"))


@console.get("/channel-codes/<code_id>/picture")
def channel_code_picture(code_id: str) -> ResponseReturnValue:
    return shown_picture(code_id)


def _asked(form: dict[str, str]) -> dict[str, Any]:
    """The form as the API's body. `whom` is store:CODE, guide:USERID, each:store or each:guide."""
    what, _, which = form["whom"].partition(":")
    given: dict[str, Any] = {name: form[name] for name in ("kind", "name", "purpose")}
    given["skip_verify"] = form["skip_verify"] == "1"
    if what == "each":
        given["each"] = which
    elif what in ("store", "guide") and which:
        given["targets"] = [{what: which}]
    if form["welcome"]:
        given["welcome"] = form["welcome"]
    if form["days"]:
        days = int(form["days"]) if form["days"].isascii() and form["days"].isdigit() else -1
        end = clock.now().astimezone(ZoneInfo(scope.current().timezone)) + timedelta(days=min(days, 3650))
        # The end of a day, so that a form sent twice asks for the same.
        given["valid_until"] = end.replace(hour=23, minute=59, second=59, microsecond=0).isoformat()
    return given


def _page(**more: Any) -> Response:
    me = scope.current()
    status, kind = request.args.get("status", ""), request.args.get("kind", "")
    text = request.args.get("q", "").strip()[:60]
    found = listed(
        {
            "q": text,
            "status": status if status in queries.STATUSES else None,
            "kind": kind if kind in rules.KINDS else None,
            "cursor": request.args.get("cursor", "")[:200],
            "limit": PAGE,
        }
    )
    stores = [one for one in org.stores(me.brand_id) if one.status == "open" and me.reach.covers(one.id)]
    names = {one.id: one.name for one in stores}
    guides = [one for one in org.guides(me.brand_id) if one.status == "active" and one.store_id in names]
    made = request.args.get("made", "")
    page = render_template(
        "console/channel_codes.html",
        **found,
        q=text,
        status=status,
        kind=kind,
        stores=stores,
        guides=[(one, names[one.store_id]) for one in guides],
        materials=content.materials(me.brand_id),
        made=int(made) if made.isascii() and made.isdigit() and len(made) < 4 else 0,
        key=secrets.token_hex(16),
        **more,
    )
    response = make_response(page)
    # The pictures of contact ways are WeCom's own; this page alone may show them.
    sources = "https:" if current_app.extensions["siyu"].production else "https: http:"
    response.headers["Content-Security-Policy"] = POLICY.replace("img-src 'self'", f"img-src 'self' {sources}")
    return response
