"""Fill a scratch database with members and their wallets, for the merges: `python -m bench.wallets PAIRS CROWD OTHERS`.

PAIRS pairs of a member with 20 orders and 5 coupons and one with 200 and 50; CROWD pairs with 4 orders and 2 coupons
each; OTHERS members with 5 and 2 who are only there. Rows are as the product would have written them: every invariant
holds. Members are numbered, and person, member and order ids follow from the number.
"""

from __future__ import annotations

import json
import os
import sys

import psycopg

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.org.models import Brand, Region, Store
from app.points.models import EarnRule
from app.sop import commands as sop
from app.sop.rules import Step
from app.tiers.models import Tier, TierPolicy
from wsgi import app

PERSON, MEMBER, ORDER, COUPON = 10**12, 2 * 10**12, 3 * 10**12, 4 * 10**12
CAMPAIGNS = 5

_ROWS = (
    """
    CREATE TEMP TABLE who AS
    SELECT i, CASE WHEN i >= 2 * %(pairs)s THEN CASE WHEN i < 2 * (%(pairs)s + %(crowd)s) THEN 4 ELSE 5 END
                   WHEN i %% 2 = 0 THEN 20 ELSE 200 END AS orders,
           CASE WHEN i >= 2 * %(pairs)s THEN 2 WHEN i %% 2 = 0 THEN 5 ELSE 50 END AS coupons
    FROM generate_series(0, 2 * (%(pairs)s + %(crowd)s) + %(others)s - 1) AS i
    """,
    """
    CREATE TEMP TABLE bought AS
    SELECT i, n, %(order)s + row_number() OVER (ORDER BY i, n) AS id,
           date_trunc('second', now()) - make_interval(days => 3 + (n * 800 / orders)::int, hours => i %% 12) AS at
    FROM who, generate_series(0, orders - 1) AS n
    """,
    """
    CREATE TEMP TABLE had AS
    SELECT i, n, %(coupon)s + row_number() OVER (ORDER BY i, n) AS id, n %% 2 = 0 AS used,
           (%(campaign_ids)s::bigint[])[1 + n %% %(campaigns)s] AS campaign_id, 1 + n / %(campaigns)s AS seq,
           date_trunc('second', now()) - interval '40 days' AS at
    FROM who, generate_series(0, coupons - 1) AS n
    """,
    "INSERT INTO person (person_id, created_at) SELECT %(person)s + i, now() FROM who",
    """
    INSERT INTO member (brand_id, member_id, person_id, number, gender, home_store_id, status, source, joined_at,
                        correlation_id)
    SELECT %(brand)s, %(member)s + i, %(person)s + i, lpad(i::text, 10, '0'), 0, %(store)s, 'active', 'bench', now(),
           'bench' FROM who
    """,
    """
    INSERT INTO member_number (brand_id, number, member_id)
    SELECT %(brand)s, lpad(i::text, 10, '0'), %(member)s + i FROM who
    """,
    """
    INSERT INTO membership (brand_id, person_id, member_id) SELECT %(brand)s, %(person)s + i, %(member)s + i FROM who
    """,
    """
    INSERT INTO sales_order (brand_id, member_id, order_id, source, order_no, store_id, channel, walk_in, total_fen,
                             discount_fen, paid_fen, status, paid_at, correlation_id, created_at)
    SELECT %(brand)s, %(member)s + i, id, 'till:S1', 'B' || id, %(store)s, 'till', false, 30000, 0, 30000, 'paid', at,
           'bench', at
    FROM bought
    """,
    """
    INSERT INTO order_line (brand_id, member_id, order_id, line_no, sku, name, category, quantity, unit_fen, amount_fen,
                            discount_fen, paid_fen)
    SELECT %(brand)s, %(member)s + i, id, line, 'SKU-' || line, '羽绒服', 'outer', 1, 10000, 10000, 0, 10000
    FROM bought, generate_series(1, 3) AS line
    """,
    """
    INSERT INTO order_number (brand_id, source, order_no, member_id, order_id, content_hash)
    SELECT %(brand)s, 'till:S1', 'B' || id, %(member)s + i, id, '\\x00' FROM bought
    """,
    """
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
    SELECT %(brand)s, %(member)s + i, 2 * id + c, (ARRAY['points', 'growth'])[1 + c], 'earn', 'order:' || id, at,
           'bench'
    FROM bought, generate_series(0, 1) AS c
    """,
    """
    INSERT INTO lot (brand_id, member_id, lot_id, journal_id, earned, remaining, expires_at)
    SELECT %(brand)s, %(member)s + i, id, 2 * id, 300, 300, at + interval '1000 days' FROM bought
    """,
    """
    INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
    SELECT %(brand)s, %(member)s + i, 2 * id + c, line, (ARRAY['member', 'issued'])[line],
           CASE WHEN c = 0 AND line = 1 THEN id END, CASE line WHEN 1 THEN 300 ELSE -300 END
    FROM bought, generate_series(0, 1) AS c, generate_series(1, 2) AS line
    """,
    """
    INSERT INTO balance (brand_id, member_id, currency, amount, floor)
    SELECT %(brand)s, %(member)s + i, currency, 300 * orders, 0
    FROM who, (VALUES ('points'), ('growth')) AS c (currency)
    """,
    """
    INSERT INTO member_tier (brand_id, member_id, valid_from, tier_id, reason, correlation_id)
    SELECT %(brand)s, %(member)s + i, now() - interval '2 days', t.tier_id, 'reached', 'bench'
    FROM (SELECT i, 300 * count(*) FILTER (WHERE at > now() - interval '365 days') AS growth FROM bought GROUP BY i) b
    JOIN LATERAL (SELECT tier_id FROM tier WHERE growth_from <= growth ORDER BY rank DESC LIMIT 1) t ON true
    """,
    """
    INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at, valid_from,
                        valid_to, source, correlation_id)
    SELECT %(brand)s, %(member)s + i, id, campaign_id, 1, seq, 'BENCH' || id, CASE WHEN used THEN 'redeemed' ELSE
           'claimed' END, at, at, at + interval '400 days', 'self', 'bench'
    FROM had
    """,
    """
    INSERT INTO coupon_code (code, brand_id, member_id, coupon_id)
    SELECT 'BENCH' || id, %(brand)s, %(member)s + i, id FROM had
    """,
    """
    INSERT INTO coupon_event (brand_id, member_id, coupon_id, event_id, from_status, to_status, cause, at,
                              correlation_id)
    SELECT %(brand)s, %(member)s + i, id, 2 * id, NULL, 'claimed', 'self', at, 'bench' FROM had
    UNION ALL
    SELECT %(brand)s, %(member)s + i, id, 2 * id + 1, 'claimed', 'redeemed', 'redeem', at, 'bench' FROM had WHERE used
    """,
    """
    INSERT INTO redemption (brand_id, member_id, redemption_id, coupon_id, source, order_no, store_id, discount_fen,
                            hq_fen, dealer_fen, redeemed_at, correlation_id)
    SELECT %(brand)s, %(member)s + i, id, id, 'till', 'R' || id, %(store)s, 500, 500, 0, at, 'bench' FROM had WHERE used
    """,
    """
    INSERT INTO order_discount (brand_id, order_no, source, store_id, total_fen, discount_fen, groups)
    SELECT %(brand)s, 'R' || id, 'till', %(store)s, 500, 500, ARRAY[''] FROM had WHERE used
    """,
    """
    INSERT INTO redemption_line (brand_id, member_id, redemption_id, line_no, discount_fen)
    SELECT %(brand)s, %(member)s + i, id, line, 250 FROM had, generate_series(1, 2) AS line WHERE used
    """,
    """
    UPDATE campaign_stock s SET issued = h.issued
    FROM (SELECT campaign_id, count(*) AS issued FROM had GROUP BY campaign_id) h
    WHERE s.campaign_id = h.campaign_id AND s.stripe = 0
    """,
    # The first step's task is everybody's, so one of two members' stays behind; the second is each one's own.
    """
    INSERT INTO guide_task (brand_id, member_id, step_id, period, task_id, sop_id, store_id, status, due_at,
                            deadline_at, next_at, ladder, correlation_id, created_at)
    SELECT %(brand)s, %(member)s + i, s.step_id, CASE s.step_no WHEN 1 THEN 'once' ELSE 'p' || i END,
           %(order)s + 2 * i + s.step_no, s.sop_id, %(store)s, 'open', now(), now() + interval '1 day',
           now() + interval '1 day', 0, 'bench', now()
    FROM who CROSS JOIN sop_step s
    """,
)


def _brand() -> dict[str, object]:
    brand = Brand(code="bench", name="Bench")
    session.add(brand)
    session.flush()
    region = Region(brand_id=brand.id, code="r", name="r")
    session.add(region)
    session.flush()
    store = Store(brand_id=brand.id, code="S1", name="s", region_id=region.id)
    session.add(store)
    session.add(EarnRule(brand_id=brand.id, points_per_yuan=1, growth_per_yuan=1, points_months=24))
    session.add(TierPolicy(brand_id=brand.id, window_days=365, protection_days=30))
    for rank, growth_from in enumerate((0, 1_500, 20_000), 1):
        session.add(
            Tier(
                brand_id=brand.id,
                tier_id=ids.new_id(),
                code=f"t{rank}",
                name=f"t{rank}",
                rank=rank,
                growth_from=growth_from,
                points_rate_bp=10_000,
            )
        )
    session.flush()
    campaigns = [
        coupons.create_campaign(
            brand_id=brand.id,
            code=f"c{number}",
            name="满减",
            terms=Terms(kind="amount", amount_fen=500, per_member=100, valid_days=400),
            quota=10_000_000,
            stripes=1,
        )
        for number in range(CAMPAIGNS)
    ]
    sop.save(
        brand_id=brand.id,
        code="bench",
        name="关怀",
        trigger={"event": "members.bound"},
        steps=[Step(title="电话", action="call"), Step(title="邀约", action="call")],
    )
    return {"brand": brand.id, "store": store.id, "campaign_ids": campaigns, "campaigns": CAMPAIGNS}


def main() -> None:
    pairs, crowd, others = map(int, sys.argv[1:])
    with app.app_context(), transaction():
        known = _brand()
    known |= {"pairs": pairs, "crowd": crowd, "others": others}
    known |= {"person": PERSON, "member": MEMBER, "order": ORDER, "coupon": COUPON}
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        # Triggers that check row by row would take the most of the time; the doctor looks at everything afterwards.
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _ROWS:
            connection.execute(statement, known)
    print(json.dumps({"brand_id": known["brand"], "at": clock.now().isoformat()}))


if __name__ == "__main__":
    main()
