"""Statements that domains add to their invariants: rows that move with a member stand where a living one finds them."""

from __future__ import annotations

# Longer than a merge's second look at what came late (flows.merge.fold_late) ever waits.
GRACE = "10 minutes"


def origins_were_merged(table: str) -> str:
    """Whoever a row came from was merged into somebody, though they may have been parted since."""
    return f"""
        SELECT t.brand_id, t.member_id, t.origin_member_id FROM {table} t
        LEFT JOIN member_merge m ON m.brand_id = t.brand_id AND m.loser_id = t.origin_member_id
        WHERE t.origin_member_id IS NOT NULL AND (m.merge_id IS NULL OR t.origin_member_id = t.member_id)
    """


def none_at_merged_members(table: str, *, but: str = "false", only: str = "true") -> str:
    """Nothing of value stands at a merged member for long. `t` is the row, `m` the member.

    `but`: when a row may stay; `only`: which rows are meant at all.
    """
    return f"""
        SELECT t.brand_id, t.member_id FROM {table} t
        JOIN member m ON m.brand_id = t.brand_id AND m.member_id = t.member_id
        WHERE m.merged_into IS NOT NULL AND m.merged_at < now() - interval '{GRACE}' AND ({only}) AND NOT ({but})
    """


def same_at_winner(table: str, *columns: str) -> str:
    """The winner has a row of the same key, so this one could not move."""
    same = " AND ".join(f"w.{column} = t.{column}" for column in columns)
    return f"EXISTS (SELECT FROM {table} w WHERE w.brand_id = t.brand_id AND w.member_id = m.merged_into AND {same})"
