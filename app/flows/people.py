"""Linking ids to a person together with everything that hangs on a person: the one way in for every flow.

Two persons who are both members of one brand become one when WeChat vouches for it, points and coupons and all. Where
only a phone or a card says so, both stay, and a review opens (reason two_members): a wallet moves on proof only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.channels import queries as channels
from app.identity import commands as identity
from app.identity.commands import Linked
from app.identity.rules import Identity
from app.members import commands as members
from app.members import queries as member_queries
from app.org import queries as org

from . import arrivals
from .merge import follow


def link(
    *,
    brand_id: int,
    ids: Sequence[Identity],
    source: str,
    evidence: Mapping[str, Any] | None = None,
    passive: bool = False,
) -> Linked:
    """Tell that ids belong to one human (see identity.commands.link); memberships follow a merge."""
    return identity.link(
        ids=ids,
        source=source,
        evidence=evidence,
        brand_id=brand_id,
        objection=_objection,
        follow=follow,
        passive=passive,
    )


def adopt(*, brand_id: int, person_id: int) -> None:
    """Give a member without an owning guide the one they added first, if they added one who still works here, else the
    one whose channel code they came by lately. Whose guide has left has none, once somebody else took them over.
    """
    member = member_queries.member_of(brand_id, person_id)
    if member is None or _works_here(member.guide_id):
        return
    # Two guides added in one moment both find a member without an owner; held, the second one finds the first's.
    held = members.hold(brand_id=brand_id, member_id=member.member_id)
    if held is None or _works_here(held.guide_id):
        return
    for relation in channels.follows_of_person(person_id, brand_id=brand_id, active=True):
        guide = org.guide(relation.guide_id) if relation.guide_id is not None else None
        if guide is not None and guide.status == "active":
            members.assign_guide(
                brand_id=brand_id,
                member_id=held.member_id,
                guide_id=guide.id,
                store_id=guide.store_id,
                reason="follow",
            )
            return
    arrivals.settle(brand_id=brand_id, person_id=person_id)


def _works_here(guide_id: int | None) -> bool:
    guide = org.guide(guide_id) if guide_id is not None else None
    return guide is not None and guide.status == "active"


def _objection(winner_id: int, loser_id: int, weak: bool) -> str | None:
    return "two_members" if weak and member_queries.brands_shared([winner_id, loser_id]) else None
