"""Who brought whom: an invitation's code, the note that somebody opened it, and who they became.

A code names the member who invites, with a MAC, so that nobody can make codes of others. The latest invitation before
joining counts, for a month; it says nothing of somebody who is a member already.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto, ids
from app.core.db import session
from app.core.errors import NotFound

from .issue_models import Referral

GOOD_FOR = timedelta(days=30)
_MARK = 8  # hex symbols; with the id 21, which a mini-program code's scene of 32 holds


def code_of(brand_id: int, member_id: int) -> str:
    """What a member's invitation carries."""
    spelled = ids.encode("inv", member_id).removeprefix("inv_")
    return f"{spelled}{_mark(brand_id, spelled)}"


def referrer_of(brand_id: int, code: str) -> int | None:
    """The member whose invitation it is, None for anything else."""
    spelled, mark = code[:-_MARK], code[-_MARK:]
    if not code.isascii() or not hmac.compare_digest(mark, _mark(brand_id, spelled)):
        return None
    try:
        return ids.decode("inv", f"inv_{spelled}")
    except NotFound:
        return None


def _mark(brand_id: int, spelled: str) -> str:
    return crypto.mac("referral.invitation", f"{brand_id}:{spelled}".encode()).hex()[:_MARK]


def invite(*, brand_id: int, person_id: int, referrer_id: int) -> None:
    """Note that a person who is no member yet opened a member's invitation."""
    said = {
        "referrer_id": referrer_id,
        "invited_at": clock.now(),
        "correlation_id": context.correlation_id(),
    }
    session.execute(
        insert(Referral)
        .values(brand_id=brand_id, person_id=person_id, **said)
        .on_conflict_do_update(
            index_elements=["brand_id", "person_id"], set_=said, where=Referral.member_id.is_(None)
        )
    )


def joined(*, brand_id: int, person_ids: Sequence[int], member_id: int) -> Referral | None:
    """A person (by all their ids) became a member: the invitation that counts, marked as used; None without one, and
    for whoever counted as brought once.
    """
    rows = session.scalars(
        select(Referral)
        .where(Referral.brand_id == brand_id, Referral.person_id.in_(person_ids))
        .order_by(Referral.person_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    good = [row for row in rows if row.invited_at > clock.now() - GOOD_FOR and row.referrer_id != member_id]
    if not good or any(row.member_id is not None for row in rows):
        return None
    newest = max(good, key=lambda row: row.invited_at)
    newest.member_id, newest.joined_at = member_id, clock.now()
    session.flush()
    return newest


def brought(brand_id: int, member_ids: Sequence[int]) -> int:
    """How many new members a member (and those merged into it) brought."""
    mine = (Referral.brand_id == brand_id, Referral.referrer_id.in_(member_ids), Referral.member_id.is_not(None))
    return session.scalar(select(func.count()).where(*mine)) or 0


def erase(*, brand_id: int, member_ids: Sequence[int], person_ids: Sequence[int]) -> None:
    """Forget by whom a person came, and whom they brought."""
    theirs = or_(
        Referral.person_id.in_(person_ids), Referral.referrer_id.in_(member_ids), Referral.member_id.in_(member_ids)
    )
    session.execute(
        delete(Referral).where(Referral.brand_id == brand_id, theirs),
        execution_options={"synchronize_session": False},
    )
