"""What must always be true of coupons' twins: each statement returns the rows that break its rule."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "twin_stands_beside_its_coupon": """
        SELECT t.brand_id, t.member_id, t.coupon_id FROM coupon_twin t
        LEFT JOIN coupon c ON c.brand_id = t.brand_id AND c.member_id = t.member_id AND c.coupon_id = t.coupon_id
        WHERE c.coupon_id IS NULL OR c.campaign_id <> t.campaign_id
    """,
    "twin_and_its_code_are_one_to_one": """
        SELECT t.coupon_id, t.external_code, k.coupon_id AS leads_to
        FROM coupon_twin t LEFT JOIN twin_code k ON k.external_code = t.external_code AND k.channel = t.channel
        WHERE t.external_code IS NOT NULL AND (k.coupon_id IS DISTINCT FROM t.coupon_id
              OR k.member_id <> t.member_id OR k.brand_id <> t.brand_id)
    """,
    # A channel's use and a redemption of ours that was made for it belong to the same coupon.
    "adopted_use_has_its_redemption": """
        SELECT t.brand_id, t.member_id, t.coupon_id, t.adopted FROM coupon_twin t
        LEFT JOIN redemption r ON r.brand_id = t.brand_id AND r.member_id = t.member_id
             AND r.redemption_id = t.adopted AND r.coupon_id = t.coupon_id
        WHERE t.adopted IS NOT NULL AND r.redemption_id IS NULL
    """,
    "one_redemption_for_a_use_in_a_channel": """
        SELECT brand_id, member_id, coupon_id, count(*) AS live FROM redemption
        WHERE source = 'channel' AND returned_at IS NULL GROUP BY 1, 2, 3 HAVING count(*) > 1
    """,
    "twin_knows_more_than_was_asked": """
        SELECT brand_id, member_id, coupon_id, state FROM coupon_twin
        WHERE state NOT IN ('wanted', 'dropped', 'refused') AND fact_at IS NULL
    """,
    "forgotten_members_have_no_wallet": """
        SELECT t.brand_id, t.member_id, t.coupon_id FROM coupon_twin t
        JOIN member m ON m.brand_id = t.brand_id AND m.member_id = t.member_id
        WHERE m.status = 'erased' AND t.openid IS NOT NULL
    """,
}
