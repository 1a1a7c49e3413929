"""The money facts of coupons: what was taken off in a store, and what came back. Figures of money are sums of these.

A fact is positive when a coupon was used and negative when that was undone, at the moment it happened; the same
redemption may have its two facts in two months. `kind` and `part` name a fact among those of its redemption: once a
month is closed they are how it is known which facts its books hold. A new kind of fact is one more UNION ALL here.
"""

from __future__ import annotations

KINDS = ("redeemed", "refunded", "returned")

# Shape of each branch: whose and which redemption, what happened when, and the fen that each side pays, by sign.
# A refund of some lines stands between the two, one fact a refund number (`part`); what is returned afterwards is what
# the refunds left, and nothing where they took it all.
FACTS = """
    SELECT r.brand_id, r.member_id, r.coupon_id, r.redemption_id, r.store_id, r.source, r.order_no, r.supplier,
           'redeemed' AS kind, '' AS part, r.redeemed_at AS at, r.discount_fen, r.hq_fen, r.dealer_fen, r.supplier_fen
    FROM redemption r
    UNION ALL
    SELECT r.brand_id, r.member_id, r.coupon_id, r.redemption_id, r.store_id, r.source, r.order_no, r.supplier,
           'refunded', f.refund_no, f.at, -f.fen, -f.hq_fen, -f.dealer_fen, -f.supplier_fen
    FROM redemption r
    JOIN (
        SELECT brand_id, member_id, redemption_id, refund_no, max(at) AS at, sum(fen)::bigint AS fen,
               sum(hq_fen)::bigint AS hq_fen, sum(dealer_fen)::bigint AS dealer_fen,
               sum(supplier_fen)::bigint AS supplier_fen
        FROM redemption_refund GROUP BY 1, 2, 3, 4
    ) f USING (brand_id, member_id, redemption_id)
    UNION ALL
    SELECT r.brand_id, r.member_id, r.coupon_id, r.redemption_id, r.store_id, r.source, r.order_no, r.supplier,
           'returned', '', r.returned_at, f.fen - r.discount_fen, f.hq_fen - r.hq_fen, f.dealer_fen - r.dealer_fen,
           f.supplier_fen - r.supplier_fen
    FROM redemption r
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(fen), 0)::bigint AS fen, coalesce(sum(hq_fen), 0)::bigint AS hq_fen,
               coalesce(sum(dealer_fen), 0)::bigint AS dealer_fen,
               coalesce(sum(supplier_fen), 0)::bigint AS supplier_fen
        FROM redemption_refund b
        WHERE b.brand_id = r.brand_id AND b.member_id = r.member_id AND b.redemption_id = r.redemption_id
    ) f
    WHERE r.returned_at IS NOT NULL AND f.fen < r.discount_fen
"""
