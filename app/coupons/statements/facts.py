"""The money facts of coupons: what was taken off in a store, and what came back. Figures of money are sums of these.

A fact is positive when a coupon was used and negative when that was undone, at the moment it happened; the same
redemption may have its facts in several months. `kind` and `part` name a fact among those of its redemption: once a
month is closed they are how it is known which facts its books hold. A new kind of fact is one more UNION ALL here.

A fact of 0 fen (the end of a redemption that was refunded line by line) is counted in reports and no line of any books.
"""

from __future__ import annotations

KINDS = ("redeemed", "refunded", "returned")

_WHICH = """r.brand_id, r.member_id, r.coupon_id, r.redemption_id, r.store_id, r.source, r.order_no,
           nullif(r.supplier, '') AS supplier"""
# Whose and which redemption, what happened when, and the fen that each side pays, by sign. Lines of one refund were
# written at one moment. What is returned is what the refunds before it left; nothing is refunded after it.
FACTS = f"""
    SELECT {_WHICH}, 'redeemed' AS kind, '' AS part, r.redeemed_at AS at,
           r.discount_fen, r.hq_fen, r.dealer_fen, r.supplier_fen
    FROM redemption r
    UNION ALL
    SELECT {_WHICH}, 'refunded', x.refund_no, x.at, CAST(-sum(x.fen) AS bigint), CAST(-sum(x.hq_fen) AS bigint),
           CAST(-sum(x.dealer_fen) AS bigint), CAST(-sum(x.supplier_fen) AS bigint)
    FROM redemption_refund x
    JOIN redemption r ON r.brand_id = x.brand_id AND r.member_id = x.member_id AND r.redemption_id = x.redemption_id
    GROUP BY r.brand_id, r.member_id, r.redemption_id, x.refund_no, x.at
    UNION ALL
    SELECT {_WHICH}, 'returned', '', r.returned_at, b.fen - r.discount_fen, b.hq_fen - r.hq_fen,
           b.dealer_fen - r.dealer_fen, b.supplier_fen - r.supplier_fen
    FROM redemption r
    CROSS JOIN LATERAL (
      SELECT CAST(coalesce(sum(x.fen), 0) AS bigint) AS fen, CAST(coalesce(sum(x.hq_fen), 0) AS bigint) AS hq_fen,
             CAST(coalesce(sum(x.dealer_fen), 0) AS bigint) AS dealer_fen,
             CAST(coalesce(sum(x.supplier_fen), 0) AS bigint) AS supplier_fen
      FROM redemption_refund x
      WHERE x.brand_id = r.brand_id AND x.member_id = r.member_id AND x.redemption_id = r.redemption_id
    ) b
    WHERE r.returned_at IS NOT NULL
"""
