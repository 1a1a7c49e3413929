"""A membership is forgotten: no name, no birthday, no card; the row stays for what de-identified orders hang on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, update

from app.core.db import session
from app.core.locks import lock_rows

from .models import HomeStoreHistory, Member, Membership


def erase(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """Blank a member with all that were merged into it, and end the membership; nothing is active under them again.

    The member's number stays taken, so that nobody else is ever given it; it leads to no name.
    """
    lock_rows(Member, [(brand_id, member_id) for member_id in member_ids])
    mine = (Member.brand_id == brand_id, Member.member_id.in_(member_ids))
    nothing = dict.fromkeys(("name", "phone_tail", "birthday", "card_no", "guide_id", "home_store_id"))
    session.execute(
        update(Member).where(*mine).values(**nothing, gender=0), execution_options={"synchronize_session": "fetch"}
    )
    session.execute(
        update(Member).where(*mine, Member.merged_into.is_(None)).values(status="erased"),
        execution_options={"synchronize_session": "fetch"},
    )
    session.execute(  # where somebody moved them, in their own words; every other reason is a code
        update(HomeStoreHistory)
        .where(
            HomeStoreHistory.brand_id == brand_id,
            HomeStoreHistory.member_id.in_(member_ids),
            HomeStoreHistory.moved_by.like("adm_%"),
        )
        .values(reason=""),
        execution_options={"synchronize_session": False},
    )
    session.execute(
        delete(Membership).where(Membership.brand_id == brand_id, Membership.member_id.in_(member_ids)),
        execution_options={"synchronize_session": False},
    )


def forget_phone(*, brand_id: int, member_id: int, tails: Sequence[str]) -> None:
    """The phone a member bound is taken back: it is bound no more, and its last digits are shown to nobody."""
    session.execute(
        update(Member)
        .where(Member.brand_id == brand_id, Member.member_id == member_id, Member.phone_tail.in_(tails))
        .values(phone_tail=None, bound_at=None),
        execution_options={"synchronize_session": "fetch"},
    )
