"""A suite's own events (WeCom docs, path/90628, 90642): its ticket every ten minutes, and corps that come and go.

Ticket and auth code are sealed before they are stored at all (see hooks.suite).
"""

from __future__ import annotations

from app.channels import suites
from app.core.inbox import Inbox

from .told import told

_CANCELLED = ".cancel_auth"


def ticket(row: Inbox) -> None:
    """For suite_ticket."""
    news = told(row)
    suites.put_suite_state(
        brand_id=news.brand_id, suite_id=news.namespace, kind="ticket", sealed=news.text("SuiteTicket"), at=news.at
    )


def authorised(row: Inbox) -> None:
    """For create_auth, change_auth, reset_permanent_code and cancel_auth. The first brings a code worth ten minutes
    and does not say whose; the others name the corp.
    """
    news = told(row)
    code, corp_id = news.optional("AuthCode"), news.optional("AuthCorpId")
    if code is not None:
        suites.put_suite_state(
            brand_id=news.brand_id, suite_id=news.namespace, kind="auth_code", sealed=code, at=news.at
        )
    if corp_id is not None:
        suites.put_suite_auth(
            brand_id=news.brand_id,
            suite_id=news.namespace,
            corp_id=corp_id,
            authorised=not row.kind.endswith(_CANCELLED),
            at=news.at,
        )
