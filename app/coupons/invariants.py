"""What must always be true of coupons: each statement returns the rows that break its rule."""

from __future__ import annotations

from app.members.left_behind import none_at_merged_members, origins_were_merged

from .issue_invariants import INVARIANTS as OF_ISSUE
from .statements import invariants as statements
from .twins.invariants import INVARIANTS as OF_TWINS

INVARIANTS: dict[str, str] = {
    **OF_ISSUE,
    **statements.INVARIANTS,
    **OF_TWINS,
    "no_stripe_over_issued": """
        SELECT campaign_id, stripe, quota, issued FROM campaign_stock WHERE issued < 0 OR issued > quota
    """,
    # A friend's coupon is the same unit of stock as the giver's.
    "stock_issued_is_coupons_out": """
        SELECT s.campaign_id, s.issued, coalesce(c.coupons, 0) AS coupons
        FROM (SELECT brand_id, campaign_id, sum(issued) AS issued FROM campaign_stock GROUP BY 1, 2) s
        FULL JOIN (
          SELECT brand_id, campaign_id, count(*) AS coupons FROM coupon WHERE source <> 'friend' GROUP BY 1, 2
        ) c
          USING (brand_id, campaign_id)
        WHERE coalesce(s.issued, 0) <> coalesce(c.coupons, 0)
    """,
    # Two members who each had what they may have keep it when they become one, and get no more; a coupon that came
    # with a merge is judged by the number it had at its first member.
    "member_limit": """
        SELECT c.brand_id, c.member_id, c.campaign_id, c.seq
        FROM coupon c JOIN campaign_version v USING (brand_id, campaign_id, version)
        WHERE c.seq < 1 OR (v.terms ->> 'per_member')::int
            < coalesce((c.moved -> c.origin_member_id::text ->> 'seq')::int, c.seq)
    """,
    "moved_coupons_know_their_first_name": """
        SELECT brand_id, member_id, coupon_id FROM coupon
        WHERE (origin_member_id IS NULL) <> (moved IS NULL)
           OR origin_member_id IS NOT NULL AND NOT moved ? origin_member_id::text
    """,
    "coupons_follow_their_member": none_at_merged_members("coupon"),
    "coupon_origins_were_merged": origins_were_merged("coupon"),
    "merged_members_hold_none": """
        SELECT c.brand_id, c.member_id, c.coupon_id
        FROM coupon c JOIN member m ON m.brand_id = c.brand_id AND m.member_id = c.member_id
        WHERE m.merged_into IS NOT NULL
    """,
    "one_live_redemption_at_most": """
        SELECT brand_id, member_id, coupon_id, count(*) AS live FROM redemption
        WHERE returned_at IS NULL GROUP BY 1, 2, 3 HAVING count(*) > 1
    """,
    "redeemed_means_a_live_redemption": """
        SELECT c.brand_id, c.member_id, c.coupon_id, c.status
        FROM coupon c LEFT JOIN redemption r
          ON r.brand_id = c.brand_id AND r.member_id = c.member_id AND r.coupon_id = c.coupon_id
             AND r.returned_at IS NULL
        WHERE (c.status = 'redeemed') <> (r.redemption_id IS NOT NULL)
    """,
    # For each coupon and state, arrivals minus departures is one for the present state and zero for all others;
    # the order in which clocks of several hosts put the events does not matter.
    "status_is_the_replay_of_events": """
        SELECT brand_id, member_id, coupon_id, status, sum(steps) AS steps FROM (
          SELECT brand_id, member_id, coupon_id, to_status AS status, 1 AS steps FROM coupon_event
          UNION ALL
          SELECT brand_id, member_id, coupon_id, from_status, -1 FROM coupon_event WHERE from_status IS NOT NULL
          UNION ALL
          SELECT brand_id, member_id, coupon_id, status, -1 FROM coupon
        ) moves GROUP BY 1, 2, 3, 4 HAVING sum(steps) <> 0
    """,
    "events_begin_once": """
        SELECT brand_id, member_id, coupon_id, count(*) AS births FROM coupon_event
        WHERE from_status IS NULL GROUP BY 1, 2, 3 HAVING count(*) <> 1
    """,
    "events_take_allowed_steps": """
        SELECT brand_id, member_id, coupon_id, from_status, to_status FROM coupon_event
        WHERE (coalesce(from_status, 'none'), to_status) NOT IN (
          ('none', 'claimed'), ('claimed', 'locked'), ('returned', 'locked'), ('locked', 'locked'),
          ('locked', 'claimed'), ('claimed', 'redeemed'), ('returned', 'redeemed'), ('locked', 'redeemed'),
          ('expired', 'redeemed'), ('redeemed', 'returned'), ('redeemed', 'voided'), ('claimed', 'expired'),
          ('returned', 'expired'), ('claimed', 'voided'), ('locked', 'voided'), ('returned', 'voided'))
    """,
    "discount_is_the_sum_of_its_lines": """
        SELECT r.brand_id, r.member_id, r.redemption_id, r.discount_fen, coalesce(sum(l.discount_fen), 0) AS lines
        FROM redemption r LEFT JOIN redemption_line l USING (brand_id, member_id, redemption_id)
        GROUP BY 1, 2, 3, 4 HAVING r.discount_fen <> coalesce(sum(l.discount_fen), 0)
    """,
    "discount_is_shared_to_the_fen": """
        SELECT brand_id, member_id, redemption_id, discount_fen, hq_fen, dealer_fen, supplier_fen FROM redemption
        WHERE hq_fen + dealer_fen + supplier_fen <> discount_fen OR least(hq_fen, dealer_fen, supplier_fen) < 0
          OR discount_fen <= 0
    """,
    "refunds_sum_to_what_went_back": """
        SELECT r.brand_id, r.member_id, r.redemption_id, r.refunded_fen
        FROM redemption r
        LEFT JOIN (
            SELECT brand_id, member_id, redemption_id, sum(fen) AS fen, sum(hq_fen) AS hq, sum(dealer_fen) AS dealer,
                   sum(supplier_fen) AS supplier
            FROM redemption_refund GROUP BY 1, 2, 3
        ) b USING (brand_id, member_id, redemption_id)
        LEFT JOIN (
            SELECT brand_id, member_id, redemption_id, sum(refunded_fen) AS fen FROM redemption_line GROUP BY 1, 2, 3
        ) l USING (brand_id, member_id, redemption_id)
        WHERE r.refunded_fen <> coalesce(b.fen, 0) OR r.refunded_fen <> coalesce(l.fen, 0)
           OR coalesce(b.hq, 0) > r.hq_fen OR coalesce(b.dealer, 0) > r.dealer_fen
           OR coalesce(b.supplier, 0) > r.supplier_fen
    """,
    "lines_know_what_went_back_of_them": """
        SELECT brand_id, member_id, redemption_id, line_no, l.refunded_fen, b.fen, l.refunded_quantity, b.quantity
        FROM redemption_line l
        FULL JOIN (
            SELECT brand_id, member_id, redemption_id, line_no, sum(fen) AS fen, sum(quantity) AS quantity
            FROM redemption_refund GROUP BY 1, 2, 3, 4
        ) b USING (brand_id, member_id, redemption_id, line_no)
        WHERE coalesce(l.refunded_fen, 0) <> coalesce(b.fen, 0)
           OR coalesce(l.refunded_quantity, 0) <> coalesce(b.quantity, 0)
    """,
    # What an order's coupons take off is what its live redemptions still stand for, and each has its stacking group.
    "orders_know_their_discount": """
        SELECT brand_id, order_no, source, store_id, o.discount_fen, r.fen, o.groups, r.groups
        FROM order_discount o
        FULL JOIN (
            SELECT brand_id, order_no, CASE source WHEN 'desk' THEN 'till' ELSE source END AS source, store_id,
                   sum(discount_fen - refunded_fen) AS fen,
                   array_agg(stack_group ORDER BY stack_group) AS groups
            FROM redemption WHERE returned_at IS NULL GROUP BY 1, 2, 3, 4
        ) r USING (brand_id, order_no, source, store_id)
        WHERE coalesce(o.discount_fen, 0) <> coalesce(r.fen, 0)
           OR (SELECT array_agg(g ORDER BY g) FROM unnest(o.groups) g) IS DISTINCT FROM r.groups
    """,
    "coupons_of_one_order_go_together": """
        SELECT brand_id, order_no, source, store_id, groups FROM order_discount
        WHERE cardinality(groups) > 1
          AND ('' = ANY (groups) OR cardinality(groups) <> (SELECT count(DISTINCT g) FROM unnest(groups) g))
    """,
    "budget_spent_is_what_is_taken_off": """
        SELECT b.campaign_id, b.spent_fen, coalesce(sum(r.discount_fen - r.refunded_fen), 0) AS taken_off
        FROM campaign_budget b
        LEFT JOIN coupon c ON c.brand_id = b.brand_id AND c.campaign_id = b.campaign_id
        LEFT JOIN redemption r ON r.brand_id = c.brand_id AND r.member_id = c.member_id AND r.coupon_id = c.coupon_id
          AND r.returned_at IS NULL
        GROUP BY b.campaign_id, b.spent_fen, b.budget_fen
        HAVING b.spent_fen <> coalesce(sum(r.discount_fen - r.refunded_fen), 0) OR b.spent_fen > b.budget_fen
    """,
    "no_day_over_issued": """
        SELECT campaign_id, day, quota, issued FROM campaign_day WHERE issued < 0 OR issued > quota
    """,
    # A day may have got its own stock when some coupons were out already: there may be more coupons than it counts.
    "days_count_no_more_than_was_given": """
        SELECT d.campaign_id, d.day, d.issued, count(c.coupon_id) AS coupons
        FROM campaign_day d
        JOIN campaign k ON k.brand_id = d.brand_id AND k.campaign_id = d.campaign_id
        JOIN campaign_version v ON v.brand_id = k.brand_id AND v.campaign_id = k.campaign_id AND v.version = k.version
        LEFT JOIN coupon c ON c.brand_id = d.brand_id AND c.campaign_id = d.campaign_id AND c.source <> 'friend'
             AND (c.claimed_at AT TIME ZONE coalesce(v.terms ->> 'timezone', 'Asia/Shanghai'))::date = d.day
        GROUP BY 1, 2, 3 HAVING d.issued > count(c.coupon_id)
    """,
    "stores_count_no_more_than_they_gave": """
        SELECT a.campaign_id, a.store_id, a.issued, count(c.coupon_id) AS coupons
        FROM campaign_allocation a
        LEFT JOIN coupon_event e ON e.brand_id = a.brand_id AND e.store_id = a.store_id AND e.from_status IS NULL
        LEFT JOIN coupon c ON c.brand_id = e.brand_id AND c.member_id = e.member_id AND c.coupon_id = e.coupon_id
             AND c.campaign_id = a.campaign_id
        GROUP BY 1, 2, 3 HAVING a.issued > count(c.coupon_id)
    """,
    "allocations_fit_into_the_stock": """
        SELECT campaign_id, sum(a.quota) AS parts, s.quota
        FROM campaign_allocation a
        JOIN (SELECT campaign_id, sum(quota) AS quota FROM campaign_stock GROUP BY 1) s USING (campaign_id)
        GROUP BY campaign_id, s.quota HAVING sum(a.quota) > s.quota
    """,
    "offline_quota_is_its_conflicts": """
        SELECT q.brand_id, q.store_id, sum(q.used_fen) AS used, r.fen
        FROM offline_quota q
        FULL JOIN (
            SELECT brand_id, store_id, sum(discount_fen) AS fen FROM offline_receipt
            WHERE outcome = 'conflict' GROUP BY 1, 2
        ) r USING (brand_id, store_id)
        GROUP BY 1, 2, r.fen HAVING coalesce(sum(q.used_fen), 0) <> coalesce(r.fen, 0)
    """,
    "code_and_coupon_are_one_to_one": """
        SELECT c.coupon_id, i.coupon_id AS indexed, c.code, i.code AS indexed_code
        FROM coupon c FULL JOIN coupon_code i
          ON i.code = c.code AND i.brand_id = c.brand_id AND i.member_id = c.member_id AND i.coupon_id = c.coupon_id
        WHERE c.coupon_id IS NULL OR i.coupon_id IS NULL
    """,
    "desk_key_has_its_slip": """
        SELECT k.scope, k.key, k.answer ->> 'slip_id' AS slip_id
        FROM idempotency_key k LEFT JOIN desk_slip s ON s.slip_id = (k.answer ->> 'slip_id')::bigint
        WHERE k.scope LIKE 'desk:%' AND k.answer ? 'slip_id' AND s.slip_id IS NULL
    """,
    "redeem_key_has_its_redemption": """
        SELECT k.scope, k.key, k.answer ->> 'redemption_id' AS redemption_id
        FROM idempotency_key k LEFT JOIN redemption r
          ON r.redemption_id = (k.answer ->> 'redemption_id')::bigint
             AND r.discount_fen = (k.answer ->> 'discount_fen')::bigint
        WHERE k.scope LIKE 'pos:%' AND k.answer ? 'redemption_id' AND r.redemption_id IS NULL
    """,
    "redeem_key_made_one_redemption": """
        SELECT answer ->> 'redemption_id' AS redemption_id, count(*) AS keys FROM idempotency_key
        WHERE scope LIKE 'pos:%' AND answer ? 'redemption_id' GROUP BY 1 HAVING count(*) > 1
    """,
    "desk_redemptions_have_their_slip": """
        SELECT r.brand_id, r.member_id, r.redemption_id FROM redemption r
        LEFT JOIN desk_slip s
          ON s.brand_id = r.brand_id AND s.store_id = r.store_id AND s.correlation_id = r.correlation_id
             AND s.order_no = r.order_no
        WHERE r.source = 'desk' AND s.slip_id IS NULL
    """,
    "undone_slips_hold_no_redemption": """
        SELECT s.brand_id, s.store_id, s.slip_id FROM desk_slip s
        JOIN redemption r
          ON r.brand_id = s.brand_id AND r.store_id = s.store_id AND r.correlation_id = s.correlation_id
             AND r.source = 'desk'
        WHERE s.undone_at IS NOT NULL AND r.returned_at IS NULL
    """,
    "claim_key_has_its_coupon": """
        SELECT k.scope, k.key, k.answer ->> 'coupon_id' AS coupon_id
        FROM idempotency_key k LEFT JOIN coupon c
          ON c.coupon_id = (k.answer ->> 'coupon_id')::bigint
             AND c.campaign_id = (k.answer ->> 'campaign_id')::bigint
        WHERE k.scope LIKE 'miniapp:%' AND k.answer ? 'coupon_id' AND c.coupon_id IS NULL
    """,
    "redemption_told_the_world": """
        SELECT r.redemption_id FROM redemption r
        LEFT JOIN outbox o ON o.correlation_id = r.correlation_id AND o.name = 'coupons.redeemed'
             AND (o.payload ->> 'redemption_id')::bigint = r.redemption_id
        WHERE r.redeemed_at > now() - interval '30 days' AND o.id IS NULL
    """,
}
