"""What happens to tags and traits when two members become one, and when they are parted again.

Tags move; where both members had a word on a tag the winner's stands, and the loser's stays behind at the loser.
Traits are made anew from the orders, so this runs after those have moved. Snapshots stay: who was meant was fixed.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table

from app.core import clock
from app.core.moving import Family, bring_home, move
from app.members.family import Homecoming

from .commands import refresh_traits
from .models import MemberTag

_TAGS = Family(cast(Table, MemberTag.__table__), unique=("tag_id",))


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    """Move the loser's tags to the winner and make both members' traits anew. Idempotent."""
    move(_TAGS, brand_id=brand_id, source_id=loser_id, target_id=winner_id)
    refresh_traits(brand_id=brand_id, member_ids=[winner_id, loser_id], as_of=clock.now())


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    """Move back what the loser had brought, and make both members' traits anew. Idempotent."""
    bring_home(_TAGS, brand_id=brand_id, target_id=loser_id, home=home)
    refresh_traits(brand_id=brand_id, member_ids=[home.root, winner_id, loser_id], as_of=clock.now())
