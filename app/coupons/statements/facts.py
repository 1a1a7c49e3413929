"""The money facts of coupons: what was taken off in a store, and what came back. Figures of money are sums of these.

A fact is positive when a coupon was used and negative when that was undone, at the moment it happened; the same
redemption may have its two facts in two months. `kind` and `part` name a fact among those of its redemption: once a
month is closed they are how it is known which facts its books hold. A new kind of fact is one more UNION ALL here.
"""

from __future__ import annotations

KINDS = ("redeemed", "refunded", "returned")

# Shape of each branch: whose and which redemption, what happened when, and the fen that each side pays, by sign.
# A refund of some lines belongs between the two, one fact a refund number (`part`); what is returned afterwards is then
# what the refunds left.
FACTS = """
    SELECT r.brand_id, r.member_id, r.coupon_id, r.redemption_id, r.store_id, r.source, r.order_no, r.supplier,
           'redeemed' AS kind, '' AS part, r.redeemed_at AS at, r.discount_fen, r.hq_fen, r.dealer_fen, r.supplier_fen
    FROM redemption r
    UNION ALL
    SELECT r.brand_id, r.member_id, r.coupon_id, r.redemption_id, r.store_id, r.source, r.order_no, r.supplier,
           'returned', '', r.returned_at, -r.discount_fen, -r.hq_fen, -r.dealer_fen, -r.supplier_fen
    FROM redemption r WHERE r.returned_at IS NOT NULL
"""
