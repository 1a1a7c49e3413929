"""What must always be true of the ways by which coupons reach members; see `invariants`."""

from __future__ import annotations

from app.members.left_behind import none_at_merged_members, origins_were_merged, same_at_winner

INVARIANTS: dict[str, str] = {
    "push_gave_what_it_counted": """
        SELECT p.brand_id, p.push_id, p.issued, coalesce(c.coupons, 0) AS coupons
        FROM coupon_push p
        LEFT JOIN (
          SELECT brand_id, split_part(source_ref, '@', 1) AS ref, count(*) AS coupons FROM coupon
          WHERE source = 'push' AND source_ref LIKE 'push:%' GROUP BY 1, 2
        ) c ON c.brand_id = p.brand_id AND c.ref = 'push:' || p.push_id
        WHERE p.issued <> coalesce(c.coupons, 0)
    """,
    "push_counted_everybody": """
        SELECT brand_id, push_id, audience, issued, held_out, opted_out, limited, gone FROM coupon_push
        WHERE status = 'done' AND audience <> issued + held_out + opted_out + limited + gone
    """,
    # Fewer where somebody was erased since.
    "push_held_out_whom_it_counted": """
        SELECT p.brand_id, p.push_id, p.held_out, count(*) AS rows
        FROM coupon_push p JOIN coupon_hold_out h ON h.brand_id = p.brand_id AND h.push_id = p.push_id
        GROUP BY 1, 2, 3 HAVING count(*) > p.held_out
    """,
    "who_was_held_out_got_nothing": """
        SELECT h.brand_id, h.member_id, h.push_id FROM coupon_hold_out h
        JOIN coupon c ON c.brand_id = h.brand_id AND c.member_id = h.member_id AND c.source = 'push'
             AND c.source_ref = 'push:' || h.push_id
        WHERE c.origin_member_id IS NULL
    """,
    "guides_gave_what_was_counted": """
        SELECT coalesce(q.brand_id, c.brand_id) AS brand_id, coalesce(q.guide_id, c.guide_id) AS guide_id,
               coalesce(q.campaign_id, c.campaign_id) AS campaign_id, q.used, c.coupons
        FROM (SELECT brand_id, guide_id, campaign_id, sum(used) AS used FROM guide_coupon_quota GROUP BY 1, 2, 3) q
        FULL JOIN (
          SELECT brand_id, guide_id, campaign_id, count(*) AS coupons
          FROM coupon WHERE source = 'guide' GROUP BY 1, 2, 3
        ) c USING (brand_id, guide_id, campaign_id)
        WHERE q.used IS DISTINCT FROM c.coupons
    """,
    "gifts_follow_their_member": none_at_merged_members("gift", but=same_at_winner("gift", "kind", "occasion")),
    "gift_origins_were_merged": origins_were_merged("gift"),
    "gift_coupons_have_their_occasion": """
        SELECT c.brand_id, c.member_id, c.coupon_id, c.source_ref FROM coupon c
        WHERE c.source IN ('welcome', 'birthday', 'order', 'referral') AND NOT EXISTS (
          SELECT FROM gift g WHERE g.brand_id = c.brand_id
            AND starts_with(c.source_ref, g.kind || ':' || g.occasion)
            AND g.member_id IN (
              SELECT c.member_id
              UNION ALL SELECT m.member_id FROM member m WHERE m.brand_id = c.brand_id AND m.merged_into = c.member_id
              UNION ALL SELECT c.origin_member_id
            )
        )
    """,
    "referrers_are_others": """
        SELECT brand_id, person_id, referrer_id FROM referral WHERE member_id = referrer_id
    """,
    "one_referral_for_a_new_member": """
        SELECT brand_id, member_id, count(*) AS referrals FROM referral
        WHERE member_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1
    """,
    "used_codes_and_their_coupons_are_one_to_one": """
        SELECT r.batch_id, r.number, r.coupon_id, c.coupon_id AS coupon
        FROM (SELECT * FROM redeem_code WHERE used_at IS NOT NULL) r
        FULL JOIN (SELECT * FROM coupon WHERE source = 'redeem_code') c
          ON c.brand_id = r.brand_id AND c.coupon_id = r.coupon_id
        WHERE r.coupon_id IS NULL OR c.coupon_id IS NULL
    """,
    "batches_have_the_codes_that_were_made": """
        SELECT b.brand_id, b.batch_id, b.made, count(r.mac) AS codes
        FROM redeem_batch b LEFT JOIN redeem_code r ON r.brand_id = b.brand_id AND r.batch_id = b.batch_id
        GROUP BY 1, 2, 3 HAVING b.made <> count(r.mac)
    """,
    "exported_codes_are_sealed_no_more": """
        SELECT s.brand_id, s.batch_id, s.first FROM redeem_code_sealed s
        JOIN redeem_batch b ON b.brand_id = s.brand_id AND b.batch_id = s.batch_id
        WHERE b.exported_at IS NOT NULL OR b.status = 'voided'
    """,
    "given_coupons_are_voided_and_taken_ones_are_there": """
        SELECT t.brand_id, t.member_id, t.transfer_id, c.status, f.coupon_id AS taken
        FROM coupon_transfer t
        JOIN coupon c ON c.brand_id = t.brand_id AND c.member_id = t.member_id AND c.coupon_id = t.coupon_id
        LEFT JOIN coupon f ON f.brand_id = t.brand_id AND f.coupon_id = t.taken_coupon_id AND f.source = 'friend'
        WHERE t.status = 'taken' AND (c.status <> 'voided' OR f.coupon_id IS NULL)
    """,
    "friends_coupons_were_given_once": """
        SELECT c.brand_id, c.member_id, c.coupon_id, count(t.transfer_id) AS transfers
        FROM coupon c LEFT JOIN coupon_transfer t ON t.brand_id = c.brand_id AND t.taken_coupon_id = c.coupon_id
        WHERE c.source = 'friend' GROUP BY 1, 2, 3 HAVING count(t.transfer_id) <> 1
    """,
    "transfers_are_found_by_their_token": """
        SELECT t.brand_id, t.member_id, t.transfer_id, k.member_id AS found
        FROM coupon_transfer t FULL JOIN coupon_transfer_token k
          ON k.token_hash = t.token_hash AND k.brand_id = t.brand_id AND k.member_id = t.member_id
             AND k.transfer_id = t.transfer_id
        WHERE t.transfer_id IS NULL OR k.transfer_id IS NULL
    """,
}
