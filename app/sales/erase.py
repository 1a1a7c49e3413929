"""Orders outlive the member who is forgotten, without a word about them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from app.core.db import session

from .models import Refund


def erase(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """Blank what tills wrote as the reasons of refunds: free words may name somebody. Amounts stay as they are."""
    session.execute(
        update(Refund).where(Refund.brand_id == brand_id, Refund.member_id.in_(member_ids)).values(reason=""),
        execution_options={"synchronize_session": False},
    )
