"""Cases for a human: opened by contradictions, decided once, remembered for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, update

from app.core import clock
from app.core import ids as id_maker
from app.core.db import session
from app.core.locks import lock_rows
from app.core.outbox import emit

from .. import queries
from ..errors import ReviewClosed, ReviewUnknown
from ..events import ReviewDecided, ReviewOpened
from ..models import IdentityReview
from .parts import hold_both

_SETTLE = (
    update(IdentityReview)
    .where(
        queries.between(bindparam("ones", expanding=True), bindparam("others", expanding=True)),
        IdentityReview.status != "merged",
    )
    .values(status="merged", decided_by=bindparam("by"), decided_at=bindparam("at"), decision=bindparam("words"))
    .returning(IdentityReview.id, IdentityReview.brand_id, IdentityReview.person_a)
    .execution_options(synchronize_session=False)
)


def put_up(
    one: int,
    other: int,
    *,
    reason: str,
    evidence: Mapping[str, Any],
    brand_id: int | None,
    afresh: bool = False,
) -> tuple[int, str]:
    """The review about two persons and why they stay apart: the one that stands, open or decided, else a new one.

    `afresh`: there is something new to look at (a proof), whatever was decided before.
    """
    standing = queries.standing_review(one, other, statuses=("open",) if afresh else ("kept_apart", "open"))
    if standing is not None:
        if afresh:
            standing.evidence = {**standing.evidence, **evidence}
            session.flush()
        return standing.id, "kept_apart" if standing.status == "kept_apart" else reason
    review_id = id_maker.new_id()
    low, high = sorted((one, other))
    session.add(
        IdentityReview(
            id=review_id, brand_id=brand_id, person_a=low, person_b=high, reason=reason, evidence=dict(evidence)
        )
    )
    session.flush()
    emit(ReviewOpened(brand_id=brand_id or 0, person_id=one, review_id=review_id, reason=reason))
    return review_id, reason


def keep_apart(*, review_id: int, by: str, reason: str) -> None:
    """Decide that the two persons of an open review are two: later links of them change nothing. Raises ReviewUnknown,
    ReviewClosed when they were made one. The same again changes nothing.
    """
    found = queries.review(review_id)
    if found is None:
        raise ReviewUnknown()
    one, other = hold_both(found.person_a, found.person_b)
    row: IdentityReview = lock_rows(IdentityReview, [review_id])[review_id]
    if row.status == "kept_apart":
        return
    if row.status == "merged" or one == other:
        raise ReviewClosed(status=row.status)
    row.status, row.decided_by, row.decided_at, row.decision = "kept_apart", by, clock.now(), reason
    session.flush()
    emit(ReviewDecided(brand_id=row.brand_id or 0, person_id=one, review_id=review_id, status="kept_apart"))


def remember_apart(
    one: int, other: int, *, why: str, evidence: Mapping[str, Any], by: str, reason: str, brand_id: int | None = None
) -> int:
    """Note that two persons were told apart (`why`: split, not_mine), so that the same evidence does not join them
    again. `by`: an actor of the audit log, `reason` in their words.
    """
    review_id, (low, high), moment = id_maker.new_id(), sorted((one, other)), clock.now()
    session.add(
        IdentityReview(
            id=review_id,
            person_a=low,
            person_b=high,
            brand_id=brand_id,
            reason=why,
            status="kept_apart",
            evidence=dict(evidence),
            decided_by=by,
            decided_at=moment,
            decision=reason,
        )
    )
    session.flush()
    return review_id


def settle_reviews(ones: Sequence[int], others: Sequence[int], *, by: str, reason: str) -> None:
    """Close what stands between two groups of person ids that are becoming one person."""
    said = {"by": by, "at": clock.now(), "words": reason}
    rows = session.execute(_SETTLE, {"ones": list(ones), "others": list(others), **said}).all()
    for review_id, brand_id, person_id in rows:
        emit(ReviewDecided(brand_id=brand_id or 0, person_id=person_id, review_id=review_id, status="merged"))
