"""Notices of WeChat Pay about product coupons: verified, opened, stored, answered. Nothing else happens here.

The address `PUBLIC_URL/hooks/wxpay/<brand id at WeChat Pay>` is told to WeChat Pay by `flask account pay-notices`.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, jsonify, request

from app.core import inbox
from app.core.errors import SiyuError
from app.core.metrics import CALLBACKS
from app.flows import accounts
from app.wechat.pay.notice import open_notice

from .receivers import ReceiverUnknown

bp = APIBlueprint("hooks_wxpay", __name__, url_prefix="/hooks/wxpay", enable_openapi=False)


@bp.post("/<brand>")
def receive(brand: str) -> Response:
    """204 once it is stored; a message that comes again is answered the same and stored once, by its id."""
    account = accounts.pay()
    if account is None or account.id != brand:
        raise ReceiverUnknown()
    notice = open_notice(account, dict(request.headers), request.get_data())
    kind = f"wxpay.{notice.kind.lower()}"
    payload = notice.fields | {"notice_time": notice.at.isoformat()}
    new = inbox.receive(source=f"wxpay:{account.id}", key=notice.id, kind=kind, payload=payload)
    handled = inbox.is_handled(kind)
    outcome = ("handled" if handled else "unhandled") if new else "repeated"
    CALLBACKS.labels(kind if handled else "wxpay.other", outcome).inc()
    return Response(status=204)


@bp.errorhandler(SiyuError)
def refused(error: SiyuError) -> tuple[Response, int]:
    """WeChat Pay's own form of no."""
    return jsonify(code="FAIL", message=error.code), error.status
