"""A human decides whether two persons whose ids contradict each other are one."""

from __future__ import annotations

from app.identity import commands as identity
from app.identity import queries
from app.identity.errors import ReviewUnknown

from . import merge


def decide(*, review_id: int, same: bool, by: str, reason: str) -> int:
    """Merge the two persons of a review, or keep them apart for good; the living person behind the first of them.

    What was kept apart may still be merged later: people learn more. Deciding the same again changes nothing. `by`: an
    actor of the audit log. Raises ReviewUnknown, ReviewClosed (merged already: split that merge), IdentityConflict.
    """
    review = queries.review(review_id)
    if review is None:
        raise ReviewUnknown()
    if not same:
        identity.keep_apart(review_id=review_id, by=by, reason=reason)
        return queries.resolve(review.person_a)
    return merge.merge(
        brand_id=review.brand_id,
        person_id=review.person_a,
        other_id=review.person_b,
        source="review",
        by=by,
        words=reason,
        evidence={"review": review_id, "why": review.reason},
    )
