"""Statements about the ledger that must each return no row."""

from __future__ import annotations

from app.members.left_behind import none_at_merged_members, origins_were_merged

INVARIANTS: dict[str, str] = {
    "journals_balance": """
        SELECT brand_id, member_id, journal_id
        FROM posting
        GROUP BY brand_id, member_id, journal_id
        HAVING sum(amount) <> 0
    """,
    "postings_have_journals": """
        SELECT brand_id, member_id, journal_id
        FROM posting p
        LEFT JOIN journal j USING (brand_id, member_id, journal_id)
        WHERE j.at IS NULL
    """,
    "balances_are_sums_of_postings": """
        SELECT brand_id, member_id, currency
        FROM balance b
        FULL JOIN (
            SELECT j.brand_id, j.member_id, j.currency, sum(p.amount) AS amount
            FROM journal j
            JOIN posting p USING (brand_id, member_id, journal_id)
            WHERE p.account = 'member'
            GROUP BY j.brand_id, j.member_id, j.currency
        ) s USING (brand_id, member_id, currency)
        WHERE coalesce(b.amount, 0) <> coalesce(s.amount, 0)
    """,
    "balance_not_below_floor": "SELECT brand_id, member_id, currency FROM balance WHERE amount < floor - owed",
    "transfers_balance_between_two_members": """
        SELECT j.brand_id, j.currency, least(j.member_id, j.other_member_id), greatest(j.member_id, j.other_member_id)
        FROM journal j
        JOIN posting p USING (brand_id, member_id, journal_id)
        WHERE j.kind = 'merge' AND p.account = 'merged'
        GROUP BY 1, 2, 3, 4
        HAVING sum(p.amount) <> 0
    """,
    # A merge takes growth away in one sum; who lives again has it back.
    "living_members_gave_no_growth_away": """
        SELECT j.brand_id, j.member_id
        FROM journal j
        JOIN posting p USING (brand_id, member_id, journal_id)
        LEFT JOIN member m ON m.brand_id = j.brand_id AND m.member_id = j.member_id
        WHERE j.kind = 'merge' AND j.currency = 'growth' AND j.origin_journal_id IS NULL AND p.account = 'member'
          AND m.merged_into IS NULL
        GROUP BY 1, 2
        HAVING sum(p.amount) <> 0
    """,
    # A piece of growth that a living member has from somebody is not counted at that somebody as well.
    "growth_came_from_merged_members": """
        SELECT j.brand_id, j.member_id, j.origin_member_id, j.origin_journal_id
        FROM journal j
        JOIN posting p USING (brand_id, member_id, journal_id)
        LEFT JOIN member m ON m.brand_id = j.brand_id AND m.member_id = j.member_id
        LEFT JOIN member o ON o.brand_id = j.brand_id AND o.member_id = j.origin_member_id
        WHERE j.kind = 'merge' AND j.currency = 'growth' AND p.account = 'member'
          AND m.merged_into IS NULL AND o.merged_into IS NULL AND j.origin_member_id IS NOT NULL
        GROUP BY 1, 2, 3, 4
        HAVING sum(p.amount) <> 0
    """,
    "merged_members_hold_nothing": none_at_merged_members("balance", only="t.amount <> 0"),
    "lot_origins_were_merged": origins_were_merged("lot"),
    "lots_sum_to_balance": """
        SELECT brand_id, member_id
        FROM (SELECT brand_id, member_id, amount FROM balance WHERE currency = 'points') b
        FULL JOIN (
            SELECT brand_id, member_id, sum(remaining) AS remaining FROM lot GROUP BY brand_id, member_id
        ) l USING (brand_id, member_id)
        WHERE coalesce(l.remaining, 0) <> greatest(coalesce(b.amount, 0), 0)
    """,
    "lots_replay": """
        SELECT brand_id, member_id, lot_id
        FROM lot
        FULL JOIN (
            SELECT brand_id, member_id, lot_id, sum(amount) AS amount
            FROM posting
            WHERE lot_id IS NOT NULL
            GROUP BY brand_id, member_id, lot_id
        ) p USING (brand_id, member_id, lot_id)
        WHERE coalesce(lot.remaining, -1) <> coalesce(p.amount, 0)
    """,
    "lot_bounds": """
        SELECT brand_id, member_id, lot_id FROM lot WHERE remaining < 0 OR remaining > earned
    """,
    "order_earned_once": """
        SELECT o.brand_id, o.member_id, o.order_id, c.currency
        FROM sales_order o
        CROSS JOIN (VALUES ('points'), ('growth')) AS c (currency)
        WHERE NOT o.walk_in AND o.import_id IS NULL
          AND EXISTS (SELECT FROM earn_rule r WHERE r.brand_id = o.brand_id)
          AND NOT EXISTS (
            SELECT FROM journal j
            WHERE j.brand_id = o.brand_id AND j.member_id IN (o.member_id, o.origin_member_id)
              AND j.currency = c.currency
              AND j.kind = 'earn' AND j.cause = 'order:' || o.order_id
          )
        UNION ALL
        SELECT j.brand_id, j.member_id, j.journal_id, j.currency
        FROM journal j
        WHERE j.kind = 'earn' AND j.cause LIKE 'order:%'
          AND NOT EXISTS (
            SELECT FROM sales_order o
            WHERE o.brand_id = j.brand_id AND j.member_id IN (o.member_id, o.origin_member_id) AND NOT o.walk_in
              AND 'order:' || o.order_id = j.cause
          )
    """,
}
