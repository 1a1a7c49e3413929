"""Statements about tiers that must each return no row.

The window slides every moment and the review runs nightly, so a tier that is too high counts as wrong only when it
was already too high, and unprotected, 36 hours ago.
"""

from __future__ import annotations

from app.members.left_behind import none_at_merged_members, origins_were_merged, same_at_winner

_STANDINGS = """
    WITH standing AS (
        SELECT m.brand_id, m.member_id, t.rank, m.valid_from, p.window_days, p.protection_days,
               coalesce(g.strict, 0) AS strict, coalesce(g.lenient, 0) AS lenient
        FROM member_tier m
        JOIN tier t USING (brand_id, tier_id)
        JOIN tier_policy p USING (brand_id)
        LEFT JOIN (
            SELECT j.brand_id, j.member_id,
                   sum(s.amount) FILTER (WHERE j.at > now() - make_interval(days => w.window_days::int)) AS strict,
                   sum(s.amount) FILTER (
                       WHERE j.at > now() - make_interval(days => w.window_days::int, hours => 36)
                   ) AS lenient
            FROM journal j
            JOIN posting s USING (brand_id, member_id, journal_id)
            JOIN tier_policy w USING (brand_id)
            WHERE j.currency = 'growth' AND s.account = 'member'
            GROUP BY j.brand_id, j.member_id
        ) g USING (brand_id, member_id)
        WHERE m.valid_to IS NULL
    )
"""

INVARIANTS: dict[str, str] = {
    "do_not_overlap": """
        SELECT a.brand_id, a.member_id
        FROM member_tier a
        JOIN member_tier b ON b.brand_id = a.brand_id AND b.member_id = a.member_id AND b.valid_from > a.valid_from
        WHERE a.valid_to IS NULL OR a.valid_to > b.valid_from
    """,
    "forgotten_members_stand_on_no_tier": """
        SELECT t.brand_id, t.member_id
        FROM member_tier t
        JOIN member m ON m.brand_id = t.brand_id AND m.member_id = t.member_id AND m.status = 'erased'
        WHERE t.valid_to IS NULL
    """,
    "one_current": """
        SELECT t.brand_id, t.member_id
        FROM member_tier t
        LEFT JOIN member m ON m.brand_id = t.brand_id AND m.member_id = t.member_id
             AND m.status IN ('merged', 'erased')
        WHERE m.member_id IS NULL
        GROUP BY t.brand_id, t.member_id
        HAVING count(*) FILTER (WHERE t.valid_to IS NULL) <> 1
    """,
    "merged_members_have_no_present_tier": none_at_merged_members("member_tier", only="t.valid_to IS NULL"),
    "spans_of_merges_that_stand": """
        SELECT t.brand_id, t.member_id, t.valid_from
        FROM member_tier t
        LEFT JOIN member_merge m ON m.merge_id = t.begun_by
        WHERE t.begun_by IS NOT NULL AND (m.merge_id IS NULL OR m.revoked_at IS NOT NULL)
    """,
    "benefit_grants_follow_their_member": none_at_merged_members(
        "benefit_grant", but=same_at_winner("benefit_grant", "benefit_id", "period")
    ),
    "benefit_grant_origins_were_merged": origins_were_merged("benefit_grant"),
    "not_below_growth": _STANDINGS
    + """
        SELECT s.brand_id, s.member_id
        FROM standing s
        WHERE EXISTS (
            SELECT FROM tier t WHERE t.brand_id = s.brand_id AND t.rank > s.rank AND t.growth_from <= s.strict
        )
    """,
    "not_above_growth": _STANDINGS
    + """
        SELECT s.brand_id, s.member_id
        FROM standing s
        JOIN tier t ON t.brand_id = s.brand_id AND t.rank = s.rank
        WHERE t.growth_from > s.lenient
          AND s.valid_from + make_interval(days => s.protection_days::int, hours => 36) < now()
          AND EXISTS (SELECT FROM tier low WHERE low.brand_id = s.brand_id AND low.rank < s.rank)
    """,
    "growth_has_a_tier": """
        SELECT b.brand_id, b.member_id
        FROM balance b
        WHERE b.currency = 'growth' AND b.amount > 0
          AND EXISTS (SELECT FROM tier t WHERE t.brand_id = b.brand_id AND t.growth_from <= 0)
          AND NOT EXISTS (
            SELECT FROM member e
            WHERE e.brand_id = b.brand_id AND e.member_id = b.member_id AND e.status = 'erased'
          )
          AND NOT EXISTS (
            SELECT FROM member_tier m
            WHERE m.brand_id = b.brand_id AND m.member_id = b.member_id AND m.valid_to IS NULL
          )
    """,
    "benefit_grants_unique": """
        SELECT brand_id, member_id, benefit_id, period
        FROM benefit_grant
        GROUP BY brand_id, member_id, benefit_id, period
        HAVING count(*) > 1
    """,
    "points_benefits_arrived": """
        SELECT g.brand_id, g.member_id, g.benefit_id, g.period
        FROM benefit_grant g
        JOIN benefit b USING (brand_id, benefit_id)
        WHERE b.kind = 'points' AND g.granted_at < now() - interval '1 hour'
          AND NOT EXISTS (
            SELECT FROM member e
            WHERE e.brand_id = g.brand_id AND e.member_id = g.member_id AND e.status = 'erased'
          )
          AND NOT EXISTS (
            SELECT FROM journal j
            WHERE j.brand_id = g.brand_id AND j.currency = 'points' AND j.kind = 'earn'
              AND j.cause = 'benefit:' || g.benefit_id || ':' || g.period
              AND (j.member_id IN (g.member_id, g.origin_member_id)
                   -- Whoever was one with the member when the points arrived.
                   OR EXISTS (
                     SELECT FROM member_merge m
                     WHERE m.brand_id = g.brand_id AND m.loser_id = g.member_id AND m.winner_id = j.member_id
                   ))
          )
    """,
}
