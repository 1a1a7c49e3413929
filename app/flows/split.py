"""One person becomes two again, each with what they had."""

from __future__ import annotations

from app.channels import owners
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.commands import Split
from app.members import merging

from .merge import fold, unfold


def split(*, merge_id: int, by: str, reason: str) -> Split:
    """Take a merge of persons back: members, points, coupons, orders and guides' relations go back to whom they were.

    What came after the merge stays with the winner, and the two stay apart from now on whatever joins their ids. Taking
    the same merge back again changes nothing. `by`: an actor of the audit log. Raises MergeUnknown, PersonErased.
    """
    done = identity.split(merge_id=merge_id, by=by, reason=reason)
    if done.done:
        merging.take_apart(
            winner_id=done.winner_id, loser_id=done.loser_id, loser_ids=done.loser_ids, fold=fold, unfold=unfold
        )
        owners.reown_follows(owners=identity_queries.first_owners("external_userid", done.loser_ids))
    return done
