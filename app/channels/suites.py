"""What a suite was told about itself: its ticket, the codes it may redeem, the corps that let it work for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, literal, or_
from sqlalchemy.dialects.postgresql import insert

from app.core.db import session

from .state import SuiteAuth, SuiteState


def put_suite_state(*, brand_id: int, suite_id: str, kind: str, sealed: str, at: datetime) -> None:
    """Keep the newest `ticket` or `auth_code`; `sealed` is a ciphertext (rules.SUITE_CONTEXT)."""
    statement = insert(SuiteState).values(suite_id=suite_id, kind=kind, brand_id=brand_id, value=sealed, changed_at=at)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["suite_id", "kind"],
            set_={"value": sealed, "changed_at": at},
            where=SuiteState.changed_at < at,
        )
    )


def put_suite_auth(*, brand_id: int, suite_id: str, corp_id: str, authorised: bool, at: datetime) -> None:
    """A corp lets the suite work for it since `at`, or no more. Of one second, the end stays."""
    status = "authorised" if authorised else "cancelled"
    statement = insert(SuiteAuth).values(
        suite_id=suite_id, corp_id=corp_id, brand_id=brand_id, status=status, changed_at=at
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["suite_id", "corp_id"],
            set_={"status": status, "changed_at": at},
            where=or_(SuiteAuth.changed_at < at, and_(SuiteAuth.changed_at == at, literal(not authorised))),
        )
    )
