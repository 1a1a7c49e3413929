"""Fill a scratch database with members who have nothing yet, campaigns they may claim from, and coupons that others
claimed before; prints as JSON what clients need: `python -m bench.crowd MEMBERS TOKENS QUOTA [QUOTA ..]`, a campaign
for every QUOTA.
"""

from __future__ import annotations

import json
import os
import sys

import psycopg

from app.core import clock, ids
from app.core.db import db
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.rules import Terms
from app.miniapp import auth
from bench.claims import MEMBER, PERSON
from bench.seed import claimed_before, organisation
from wsgi import app

_FILL = (
    """INSERT INTO person (person_id, created_at)
       SELECT %(person)s + n, now() FROM generate_series(0, %(members)s - 1) AS n""",
    """INSERT INTO membership (brand_id, person_id, member_id)
       SELECT %(brand_id)s, %(person)s + n, %(member)s + n FROM generate_series(0, %(members)s - 1) AS n""",
    """INSERT INTO member_number (brand_id, number, member_id)
       SELECT %(brand_id)s, lpad(n::text, 10, '0'), %(member)s + n FROM generate_series(0, %(members)s - 1) AS n""",
    """INSERT INTO member (brand_id, member_id, person_id, number, phone_tail, gender, status, source, joined_at,
         bound_at, correlation_id)
       SELECT %(brand_id)s, %(member)s + n, %(person)s + n, lpad(n::text, 10, '0'), '5678', 0, 'active', 'till', now(),
         now(), 'bench'
       FROM generate_series(0, %(members)s - 1) AS n""",
)


def main() -> None:
    members, wanted, *quotas = map(int, sys.argv[1:])
    terms = Terms(kind="threshold", threshold_fen=3000, amount_fen=500, valid_days=30, hq_bp=6000)
    with app.app_context():
        with transaction():
            brand_id = int(str(organisation()["brand_id"]))
        with transaction():
            campaigns = [
                commands.create_campaign(
                    brand_id=brand_id, code=f"c{no}", name="满30减5", terms=terms, quota=quota, claimable=True
                )
                for no, quota in enumerate(quotas)
            ]
            claimed_before(brand_id)
        db.engine.dispose()
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            known = {"brand_id": brand_id, "person": PERSON, "member": MEMBER, "members": members}
            connection.execute("SET LOCAL session_replication_role = replica")
            for statement in _FILL:
                connection.execute(statement, known)
        tokens = [auth.issue(brand_id=brand_id, person_id=PERSON + n, openid=f"bench-{n}")[0] for n in range(wanted)]
    print(
        json.dumps(
            {
                "brand_id": brand_id,
                "campaign_ids": campaigns,
                "campaigns": [ids.encode("cmp", one) for one in campaigns],
                "now": clock.now().isoformat(),
                "tokens": tokens,
            }
        )
    )


if __name__ == "__main__":
    main()
