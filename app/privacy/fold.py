"""What privacy does when two members become one, and when they are parted again.

Statements stay with the person who made them; the opt-outs of the members that live on are worked out anew.
"""

from __future__ import annotations

from sqlalchemy import text

from app.core.db import session
from app.members.family import Homecoming

from .commands import recompute

_FORGET = text("DELETE FROM opt_out WHERE brand_id = :brand_id AND member_id = :member_id")


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    """The winner refuses what either refused, until they say otherwise. Idempotent."""
    session.execute(_FORGET, {"brand_id": brand_id, "member_id": loser_id})
    recompute(brand_id=brand_id, member_id=winner_id, held=True)


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    """Each refuses again what they themselves refused. Idempotent."""
    for member_id in (winner_id, loser_id):
        recompute(brand_id=brand_id, member_id=member_id, held=True)
