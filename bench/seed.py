"""Fill a scratch database for the benchmarks; prints what a client needs to know as JSON.

`python -m bench.seed COUPONS PLAIN`: COUPONS coupons with real codes for HTTP, PLAIN ones for pgbench whose keys follow
from their number, so that its script can name them.
"""

from __future__ import annotations

import base64
import json
import sys
from datetime import timedelta
from io import StringIO

from sqlalchemy import text

from app.core import clock, ids
from app.core.db import db, session
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.rules import Terms
from app.org import commands as org
from app.org.models import Brand, Dealer, Region, Store
from bench.redemption import PLAIN_COUPON, PLAIN_MEMBER
from wsgi import app

CORP, TOKEN = "wwbench0001", "bench-token"
AES_KEY = base64.b64encode(b"bench-aes-key-of-32-bytes-exactly").decode()[:43]


# Whatever was analysed while it was empty, a foreign key too, is looked up by any index until it is analysed again. A
# shop that has coupons has these behind it.
BEFORE = 20_000
_BEFORE = (
    """INSERT INTO coupon (brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at,
         valid_from, valid_to, source, correlation_id)
       SELECT :brand_id, n, n, :campaign_id, 1, 1, 'B' || n, 'claimed', now(), now(), now() + interval '9 days',
         'self', 'bench'
       FROM generate_series(1, :coupons) AS n""",
    """INSERT INTO coupon_code (code, brand_id, member_id, coupon_id)
       SELECT code, brand_id, member_id, coupon_id FROM coupon""",
    """INSERT INTO coupon_event (brand_id, member_id, coupon_id, event_id, to_status, cause, at, correlation_id)
       SELECT brand_id, member_id, coupon_id, coupon_id, 'claimed', 'self', now(), 'bench' FROM coupon""",
)


def organisation() -> dict[str, object]:
    brand = Brand(code="bench", name="Bench")
    session.add(brand)
    session.flush()
    region, dealer = Region(brand_id=brand.id, code="r", name="r"), Dealer(brand_id=brand.id, code="d", name="d")
    session.add_all([region, dealer])
    session.flush()
    stores = [
        Store(brand_id=brand.id, code=f"S{number:03}", name="s", region_id=region.id, dealer_id=dealer.id)
        for number in range(40)
    ]
    session.add_all(stores)
    session.flush()
    till, secret = org.create_api_client(brand_id=brand.id, name="till")
    org.set_account(
        brand_id=brand.id,
        kind="wecom",
        namespace=CORP,
        open_platform="bench",
        secret="bench",
        callback_token=TOKEN,
        callback_aes_key=AES_KEY,
        agent_id=1,
    )
    return {
        "brand_id": brand.id,
        "store_id": stores[0].id,
        "store": stores[0].code,
        "key_id": till.key_id,
        "secret": secret,
        "client_id": till.id,
        "corp_id": CORP,
        "token": TOKEN,
        "aes_key": AES_KEY,
    }


def coupons(brand_id: int, real: int, plain: int) -> dict[str, object]:
    """Claimed coupons in bulk: the rows that so many claims would have left."""
    now = clock.now()
    campaign_id = commands.create_campaign(
        brand_id=brand_id,
        code="bench",
        name="满30减5",
        terms=Terms(kind="threshold", threshold_fen=3000, amount_fen=500, valid_days=30, hq_bp=6000),
        quota=max(real + plain, 1),
    )
    made = [(codes.new_code(), coupon_id, coupon_id + 1) for coupon_id in ids.new_ids(real)]
    made += [(f"PLAIN{number:09}", PLAIN_COUPON + number, PLAIN_MEMBER + number) for number in range(plain)]
    valid = f"{now.isoformat()}\t{(now + timedelta(days=30)).isoformat()}"
    rows = {
        "coupon": "".join(
            f"{brand_id}\t{member}\t{coupon}\t{campaign_id}\t1\t1\t{code}\tclaimed\t{now.isoformat()}\t{valid}\tself\tb\n"
            for code, coupon, member in made
        ),
        "coupon_code": "".join(f"{code}\t{brand_id}\t{member}\t{coupon}\n" for code, coupon, member in made),
        "coupon_event": "".join(
            f"{brand_id}\t{member}\t{coupon}\t{coupon}\tclaimed\tself\t{now.isoformat()}\tb\n"
            for _, coupon, member in made
        ),
    }
    columns = {
        "coupon": "brand_id, member_id, coupon_id, campaign_id, version, seq, code, status, claimed_at, valid_from,"
        " valid_to, source, correlation_id",
        "coupon_code": "code, brand_id, member_id, coupon_id",
        "coupon_event": "brand_id, member_id, coupon_id, event_id, to_status, cause, at, correlation_id",
    }
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor:
        for table, text in rows.items():
            with cursor.copy(f"COPY {table} ({columns[table]}) FROM STDIN") as copy:
                source = StringIO(text)
                while chunk := source.read(1 << 20):
                    copy.write(chunk)
    return {
        "campaign_id": campaign_id,
        "codes": [code for code, _, _ in made[:real]],
        "now": (now + timedelta(seconds=1)).isoformat(),
    }


def claimed_before(brand_id: int) -> None:
    """Coupons of a campaign of their own, as if they had been claimed before, in the open transaction."""
    terms = Terms(kind="amount", amount_fen=100, valid_days=9)
    campaign_id = commands.create_campaign(brand_id=brand_id, code="before", name="before", terms=terms, quota=BEFORE)
    session.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in _BEFORE:
        session.execute(text(statement), {"brand_id": brand_id, "campaign_id": campaign_id, "coupons": BEFORE})


def main() -> None:
    real, plain = int(sys.argv[1]), int(sys.argv[2])
    with app.app_context():
        with transaction():
            found = organisation()
        with transaction():
            found |= coupons(int(str(found["brand_id"])), real, plain)
        db.engine.dispose()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
