"""Fill a scratch database with members and all that hangs on them, set-based; prints what a client needs as JSON.

`python -m bench.members MEMBERS ORDERS`: every member has a person with phone and openid, a home store, a tier,
balances, two coupons and two tags; a third has a guide who follows them; orders with a line each are dealt out so that
some members have many; every fifth order earned points.
"""

from __future__ import annotations

import json
import random
import sys
import time

from app.core import crypto
from app.core.db import db, session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.identity.rules import SEAL_CONTEXT
from app.members.rules import NAME_CONTEXT
from app.miniapp import auth
from app.org import queries as org
from app.org.models import Guide
from app.segments import commands as segments
from app.tiers.models import Tier
from bench.common import note
from bench.seed import CORP, organisation
from wsgi import app

MEMBER, PERSON, ORDER, JOURNAL, COUPON = (number * 10**12 for number in (1, 2, 3, 4, 5))
TOKENS, GUIDES = 400, 200

# Parameters: brand, members, orders, campaign, first store, tiers, guides and tags as arrays, sealed name and phone.
_FILL = (
    """INSERT INTO person (person_id, created_at)
       SELECT %(person)s + n, now() FROM generate_series(1, %(members)s) AS n""",
    """INSERT INTO membership (brand_id, person_id, member_id)
       SELECT %(brand_id)s, %(person)s + n, %(member)s + n FROM generate_series(1, %(members)s) AS n""",
    """INSERT INTO member_number (brand_id, number, member_id)
       SELECT %(brand_id)s, lpad(n::text, 10, '0'), %(member)s + n FROM generate_series(1, %(members)s) AS n""",
    """INSERT INTO member (brand_id, member_id, person_id, number, name, phone_tail, gender, birthday, home_store_id,
         guide_id, status, source, joined_at, bound_at, correlation_id)
       SELECT %(brand_id)s, %(member)s + n, %(person)s + n, lpad(n::text, 10, '0'), %(name)s, '5678', n %% 3,
         date '1970-01-01' + (n %% 15000)::int, (%(stores)s::bigint[])[1 + n %% 40],
         CASE WHEN n %% 3 = 0 THEN (%(guides)s::bigint[])[1 + n %% 200] END, 'active', 'till',
         now() - make_interval(days => (n %% 900)::int + 1), now(), 'bench'
       FROM generate_series(1, %(members)s) AS n""",
    """INSERT INTO identity (kind, namespace, value, sealed_value, person_id, source, evidence, correlation_id,
         linked_at)
       SELECT kind, space, 'bench-' || n, CASE kind WHEN 'mobile' THEN %(phone)s END, %(person)s + n, 'till', '{}',
         'bench', now()
       FROM generate_series(1, %(members)s) AS n, (VALUES ('mobile', ''), ('openid', 'wxbench'))
         AS ids (kind, space)""",
    """INSERT INTO home_store_history (brand_id, member_id, from_at, store_id, reason, moved_by, correlation_id)
       SELECT brand_id, member_id, joined_at, home_store_id, 'joined', 'till', 'bench' FROM member""",
    """INSERT INTO guide_history (brand_id, member_id, from_at, guide_id, store_id, reason, correlation_id)
       SELECT brand_id, member_id, joined_at, guide_id, home_store_id, 'added', 'bench' FROM member
       WHERE guide_id IS NOT NULL""",
    """INSERT INTO follow (corp_id, userid, external_userid, brand_id, guide_id, person_id, status, added_at,
         changed_at, correlation_id)
       SELECT %(corp)s, 'g' || (member_id %% 200), 'wm' || member_id, brand_id, guide_id, person_id, 'active',
         joined_at, joined_at, 'bench' FROM member WHERE guide_id IS NOT NULL""",
    """INSERT INTO balance (brand_id, member_id, currency, amount)
       SELECT %(brand_id)s, %(member)s + n, currency, n %% 5000
       FROM generate_series(1, %(members)s) AS n, unnest(ARRAY['growth', 'points']) AS currency""",
    """INSERT INTO member_tier (brand_id, member_id, valid_from, tier_id, reason, correlation_id)
       SELECT %(brand_id)s, %(member)s + n, now() - interval '90 days', 1 + n %% 4, 'reached', 'bench'
       FROM generate_series(1, %(members)s) AS n""",
    """INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at,
         valid_from, valid_to, source, correlation_id)
       SELECT %(brand_id)s, %(member)s + n, %(coupon)s + 2 * n + seq, %(campaign_id)s, 1, seq, 'B' || (2 * n + seq),
         CASE seq WHEN 1 THEN 'claimed' ELSE 'expired' END, now() - interval '9 days', now() - interval '9 days',
         now() + interval '9 days', 'self', 'bench'
       FROM generate_series(1, %(members)s) AS n, generate_series(1, 2) AS seq""",
    """INSERT INTO member_tag (brand_id, member_id, tag_id, held, source, said_by, at, evidence, correlation_id)
       SELECT %(brand_id)s, %(member)s + n, tag_id, true, 'manual', 'bench', now(), '{}', 'bench'
       FROM generate_series(1, %(members)s) AS n, unnest(%(tags)s::bigint[]) AS tag_id""",
    # Members differ: a third of them has half of the orders or so.
    """INSERT INTO sales_order (brand_id, member_id, order_id, source, order_no, store_id, channel, walk_in, total_fen,
         discount_fen, paid_fen, status, paid_at, correlation_id, created_at)
       SELECT %(brand_id)s, member_id, %(order)s + n, 'bench', n::text, (%(stores)s::bigint[])[1 + n %% 40], 'till',
         false, 10000 + n %% 50000, 0, 10000 + n %% 50000, 'paid',
         now() - make_interval(mins => (n %% 1000000)::int), 'bench', now()
       FROM (SELECT n, %(member)s + 1 + floor(power(random(), 1.5) * %(members)s)::bigint AS member_id
         FROM generate_series(1, %(orders)s) AS n) AS dealt ORDER BY member_id""",
    """INSERT INTO order_line (brand_id, member_id, order_id, line_no, sku, name, category, quantity, unit_fen,
         amount_fen, discount_fen, paid_fen)
       SELECT brand_id, member_id, order_id, 1, 'SKU-1', '针织衫', 'C' || order_id %% 7, 1, paid_fen,
         paid_fen, 0, paid_fen
       FROM sales_order""",
    """INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
       SELECT brand_id, member_id, %(journal)s + order_id, 'points', 'earn', 'order:' || order_id, paid_at, 'bench'
       FROM sales_order WHERE order_id %% 5 = 0""",
    """INSERT INTO posting (brand_id, member_id, journal_id, line, account, amount)
       SELECT brand_id, member_id, journal_id, line, account, amount
       FROM journal, (VALUES (1, 'member', 100), (2, 'issued', -100)) AS halves (line, account, amount)""",
    """INSERT INTO member_trait (brand_id, member_id, orders_count, net_paid_fen, avg_fen, refunds, first_paid_at,
         last_paid_at, last_store_id, favourite_category, recency, frequency, monetary, lifecycle, refreshed_at)
       SELECT brand_id, member_id, count(*), sum(paid_fen), avg(paid_fen), 0, min(paid_at), max(paid_at), min(store_id),
         'C1', 3, 3, 3, 'active', now()
       FROM sales_order GROUP BY brand_id, member_id""",
)

_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY (%(tables)s)
  AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
_EXCLUSIONS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'x' AND conrelid::regclass::text = ANY (%(tables)s)
"""


def fill(brand_id: int, members: int, orders: int) -> None:
    """Fill every table, one statement each."""
    guides = [
        Guide(brand_id=brand_id, store_id=stores[n % len(stores)], corp_id=CORP, userid=f"g{n}", name=f"导购{n}")
        for stores in [[store.id for store in org.stores(brand_id)]]
        for n in range(GUIDES)
    ]
    session.add_all(guides)
    session.add_all(
        Tier(brand_id=brand_id, tier_id=n, code=f"v{n}", name=f"等级{n}", rank=n, growth_from=n * 1000)
        for n in range(1, 5)
    )
    campaign_id = coupons.create_campaign(
        brand_id=brand_id,
        code="bench",
        name="满30减5",
        terms=Terms(kind="threshold", threshold_fen=3000, amount_fen=500, valid_days=30),
        quota=2 * members,
    )
    tags = [segments.define_tag(brand_id=brand_id, name=name) for name in ("常客", "会员日")]
    session.flush()
    asked = {
        "brand_id": brand_id, "members": members, "orders": orders, "campaign_id": campaign_id, "corp": CORP,
        "member": MEMBER, "person": PERSON, "order": ORDER, "journal": JOURNAL, "coupon": COUPON, "tags": tags,
        "stores": [store.id for store in org.stores(brand_id)], "guides": [guide.id for guide in guides],
        "name": crypto.encrypt("王小美", context=NAME_CONTEXT),
        "phone": crypto.encrypt("+8613812345678", context=SEAL_CONTEXT),
    }  # fmt: skip
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL session_replication_role = replica"
        )  # no trigger, no foreign key: rows by the million
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        # An index that is made over all rows costs a fraction of one that is kept up row by row.
        tables = sorted({statement.split()[2] for statement in _FILL})
        indexes = cursor.execute(_INDEXES, {"tables": tables}).fetchall()
        exclusions = cursor.execute(_EXCLUSIONS, {"tables": tables}).fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for table, name, _ in exclusions:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for statement in _FILL:
            begun = time.monotonic()
            cursor.execute(statement, asked)
            note(f"  {statement.split()[2]}: {cursor.rowcount:,} rows in {time.monotonic() - begun:.1f} s")
        begun = time.monotonic()
        for _, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in exclusions:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        note(f"  {len(indexes) + len(exclusions)} indexes in {time.monotonic() - begun:.1f} s")


def main() -> None:
    members, orders = int(sys.argv[1]), int(sys.argv[2])
    with app.app_context():
        with transaction():
            found = organisation()
        brand_id = int(str(found["brand_id"]))
        with transaction():
            fill(brand_id, members, orders)
        chosen = random.sample(range(1, members + 1), TOKENS)
        tokens = [auth.issue(brand_id=brand_id, person_id=PERSON + n, openid=f"bench-{n}")[0] for n in chosen]
        db.engine.dispose()
    print(json.dumps({"brand_id": brand_id, "tokens": tokens, "members": [MEMBER + n for n in chosen]}))


if __name__ == "__main__":
    main()
