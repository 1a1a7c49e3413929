"""What happens to tags and traits when two members become one, and when they are parted again.

Tags move; where both members had a word on a tag the winner's stands, and the loser's stays behind at the loser.
Traits are made anew from the orders, so this runs after those have moved.
"""

from __future__ import annotations

from sqlalchemy import text

from app.core import clock
from app.core.db import session

from .commands import refresh_traits

_FOLD = text("""
WITH moved AS (
  DELETE FROM member_tag AS gone WHERE brand_id = :brand_id AND member_id = :loser_id AND NOT EXISTS (
    SELECT FROM member_tag AS own
    WHERE own.brand_id = :brand_id AND own.member_id = :winner_id AND own.tag_id = gone.tag_id
  ) RETURNING *
)
INSERT INTO member_tag (brand_id, member_id, tag_id, held, source, said_by, at, evidence, correlation_id,
  origin_member_id)
SELECT brand_id, :winner_id, tag_id, held, source, said_by, at, evidence, correlation_id,
  coalesce(origin_member_id, :loser_id)
FROM moved ON CONFLICT DO NOTHING
""")

_UNFOLD = text("""
WITH moved AS (
  DELETE FROM member_tag WHERE brand_id = :brand_id AND member_id = :winner_id
    AND origin_member_id = ANY(:origins) RETURNING *
)
INSERT INTO member_tag (brand_id, member_id, tag_id, held, source, said_by, at, evidence, correlation_id,
  origin_member_id)
SELECT brand_id, :loser_id, tag_id, held, source, said_by, at, evidence, correlation_id,
  nullif(origin_member_id, :loser_id)
FROM moved ON CONFLICT DO NOTHING
""")


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    """Move the loser's tags to the winner and make both members' traits anew. Idempotent."""
    session.execute(_FOLD, {"brand_id": brand_id, "winner_id": winner_id, "loser_id": loser_id})
    refresh_traits(brand_id=brand_id, member_ids=[winner_id, loser_id], as_of=clock.now())


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    """Move back what the loser had brought, and make both members' traits anew. Idempotent."""
    origins = [loser_id]
    session.execute(_UNFOLD, {"brand_id": brand_id, "winner_id": winner_id, "loser_id": loser_id, "origins": origins})
    refresh_traits(brand_id=brand_id, member_ids=[winner_id, loser_id], as_of=clock.now())
