"""Callbacks of a suite, a third-party application of WeCom (docs path/90751): events about the suite itself and about
the corps that authorised it, and the data of those corps.

What concerns a corp of ours is stored as that corp's own callback, so it meets the same handlers. All are sealed with
the suite's keys; the sealed receiver is the suite for events (SuiteId, InfoType, AuthCorpId) and the corp for data.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from app.channels.rules import SUITE_CONTEXT
from app.core import crypto
from app.wechat.callbacks import CallbackEvent
from app.wechat.errors import CallbackReceiver

from .intake import echo, keep, opened, plain
from .receivers import keys, ours

bp = APIBlueprint("hooks_suite", __name__, url_prefix="/hooks/suite", enable_openapi=False)

# About the authorisation itself: the suite's own, also where they name a corp.
SECRET = ("SuiteTicket", "AuthCode")  # never stored in plain
OWN = {"suite_ticket", "create_auth", "change_auth", "cancel_auth", "reset_permanent_code"}


@bp.get("/<suite_id>")
def check(suite_id: str) -> Response:
    """Answer the URL check. The echo names the provider's own corp as its receiver, which we need not know: the
    signature says that it is for these keys.
    """
    return echo(keys("suite", suite_id), also=lambda _corp: True)


@bp.post("/<suite_id>")
def receive(suite_id: str) -> Response:
    event = opened(keys("suite", suite_id), also=lambda corp: ours("wecom", corp))
    corp = _corp(event, suite_id)
    for name in SECRET:
        if isinstance(value := event.fields.get(name), str):
            event.fields[name] = crypto.encrypt(value, context=SUITE_CONTEXT)
    if corp is not None and ours("wecom", corp):
        keep(event, "wecom", corp)
    else:
        keep(event, "suite", suite_id)
    return plain("success")


def _corp(event: CallbackEvent, suite_id: str) -> str | None:
    """The corp an event is about; None for one about the suite. CallbackReceiver where seal and text disagree."""
    told = event.fields
    if event.receiver != suite_id:
        if told.get("ToUserName") != event.receiver:
            raise CallbackReceiver
        return event.receiver
    if told.get("SuiteId") != suite_id:
        raise CallbackReceiver
    corp = told.get("AuthCorpId")
    return None if event.kind in OWN or not isinstance(corp, str) or not corp else corp
