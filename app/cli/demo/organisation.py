"""The demonstration brand itself: its organisation, ladder, campaigns, materials and SOPs, made by the product's own
commands from brand.json."""

from __future__ import annotations

import hashlib
import hmac
import json
import string
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.channels.codes import commands as codes
from app.content import commands as content
from app.core import clock, ids
from app.core.db import session
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.org import admins
from app.org import commands as org
from app.org.models import Brand, Dealer, Guide, Region, Store
from app.points.models import EarnRule
from app.privacy import commands as privacy
from app.segments import commands as segments
from app.sop import commands as sops
from app.sop import queries as sop_queries
from app.sop.rules import Step
from app.tiers.models import Benefit, Tier, TierPolicy

STORES, GUIDES_PER_STORE = 40, 5
FIRST_NUMBER = 100_000_000  # member numbers of the demonstration count on from here
TILL_KEY, STORE_TILL_KEY = "till-demo", "till-demo-s001"
ADMIN_LOGIN = "hq@qinghe"
FINANCE_LOGIN = "finance@qinghe"  # the second person, who approves and closes
STORE_LOGIN = "s001@qinghe"

_PLAN: dict[str, Any] = json.loads((Path(__file__).parent / "brand.json").read_text(encoding="utf-8"))


def plan() -> dict[str, Any]:
    """The story as data."""
    return _PLAN


def derived(secret_key: str, name: str) -> str:
    """A secret of the demonstration, the same for the same SECRET_KEY, so that it need not be stored anywhere."""
    return hmac.digest(secret_key.encode(), f"demo:{name}".encode(), hashlib.sha256).hex()[:32]


def derived_aes_key(secret_key: str, name: str) -> str:
    """The same as an EncodingAESKey: 43 letters and digits."""
    alphabet = string.ascii_letters + string.digits
    digest = hmac.digest(secret_key.encode(), f"demo:{name}".encode(), hashlib.sha512)
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:43])


@dataclass(frozen=True)
class Founded:
    """What the members' lives hang on."""

    brand: Brand
    stores: list[Store]
    guides: dict[int, list[Guide]]
    campaigns: dict[str, tuple[int, Terms]]
    greeting: tuple[int, int]
    congratulation: tuple[int, int]
    """(sop_id, step_id) of the first steps for new and for upgraded members."""


def found(secret_key: str) -> Founded:
    """Create the brand in the open transaction."""
    brand = Brand(code=_PLAN["brand"]["code"], name=_PLAN["brand"]["name"])
    session.add(brand)
    session.flush()
    policy = _PLAN["privacy_policy"]
    privacy.publish_policy(
        brand_id=brand.id,
        version=policy["version"],
        digest=hashlib.sha256(policy["text"].encode()).hexdigest(),
        valid_from=clock.now() - timedelta(days=730),
    )
    stores = _stores(brand)
    guides = _guides(brand, stores)
    _accounts(brand, stores[0], secret_key)
    campaigns = _campaigns(brand)
    _ladder(brand, campaigns)
    materials = {
        material["code"]: content.save_material(brand_id=brand.id, **material) for material in _PLAN["materials"]
    }
    content.override_material(
        brand_id=brand.id,
        material_id=materials["welcome"],
        store_id=stores[0].id,
        body=_PLAN["flagship_welcome"],
    )
    _sops(brand, materials, campaigns)
    for store in stores:
        manager = guides[store.id][-1]
        codes.create_code(
            brand_id=brand.id,
            name=store.name,
            state=f"store-{store.code}",
            store_id=store.id,
            guide_id=manager.id,
            users=[guide.userid for guide in guides[store.id]],
            welcome_material_id=materials["welcome"],
        )
    codes.create_code(
        brand_id=brand.id,
        kind="miniprogram",
        name=f"{stores[0].name} 收银台台卡",
        state=f"table-{stores[0].code}",
        store_id=stores[0].id,
        page="pages/index/index",
    )
    return Founded(brand, stores, guides, campaigns, *(_step(brand, on) for on in ("members.bound", "tiers.upgraded")))


def _stores(brand: Brand) -> list[Store]:
    dealers = [Dealer(brand_id=brand.id, code=f"D{n:02d}", name=name) for n, name in enumerate(_PLAN["dealers"], 1)]
    regions = [Region(brand_id=brand.id, code=region["code"], name=region["name"]) for region in _PLAN["regions"]]
    session.add_all([*dealers, *regions])
    session.flush()
    stores = []
    for n in range(STORES):
        region = n % len(regions)
        cities = _PLAN["regions"][region]["cities"]
        city = cities[n // len(regions) % len(cities)]
        stores.append(
            Store(
                brand_id=brand.id,
                code=f"S{n + 1:03d}",
                name=f"{city}{_PLAN['places'][n // len(regions) % len(_PLAN['places'])]}",
                region_id=regions[region].id,
                dealer_id=dealers[n % len(dealers)].id if n % 5 >= 2 else None,
                department_id=n + 2,
            )
        )
    session.add_all(stores)
    session.flush()
    return stores


def _guides(brand: Brand, stores: list[Store]) -> dict[int, list[Guide]]:
    """Five a store, the last one its manager; userids g0001 to g0200."""
    guides: dict[int, list[Guide]] = {}
    for n, store in enumerate(stores):
        guides[store.id] = [
            Guide(
                brand_id=brand.id,
                store_id=store.id,
                corp_id=_PLAN["wecom"]["corp_id"],
                userid=f"g{n * GUIDES_PER_STORE + i + 1:04d}",
                name=_person_name(n * GUIDES_PER_STORE + i),
                role="store_manager" if i == GUIDES_PER_STORE - 1 else "guide",
            )
            for i in range(GUIDES_PER_STORE)
        ]
        session.add_all(guides[store.id])
    session.flush()
    return guides


def _person_name(n: int) -> str:
    surnames, given = _PLAN["surnames"], _PLAN["given"]
    return surnames[n * 7 % len(surnames)] + given[n * 13 % len(given)] + given[n * 29 % len(given)]


def _accounts(brand: Brand, first_store: Store, secret_key: str) -> None:
    wecom, mini, official = _PLAN["wecom"], _PLAN["miniprogram"], _PLAN["official"]
    for kind, namespace, agent_id in (
        ("wecom", wecom["corp_id"], wecom["agent_id"]),
        ("miniprogram", mini["appid"], None),
        ("official", official["appid"], None),
    ):
        org.set_account(
            brand_id=brand.id,
            kind=kind,
            namespace=namespace,
            open_platform=_PLAN["open_platform"],
            secret=derived(secret_key, f"{kind}-secret"),
            callback_token=derived(secret_key, f"{kind}-token"),
            callback_aes_key=derived_aes_key(secret_key, f"{kind}-aes"),
            agent_id=agent_id,
        )
    org.create_api_client(
        brand_id=brand.id, name="till", key_id=TILL_KEY, secret=derived(secret_key, "till-secret"), store_ids=None
    )
    org.create_api_client(
        brand_id=brand.id,
        name="till of the first store",
        key_id=STORE_TILL_KEY,
        secret=derived(secret_key, "store-till-secret"),
        store_ids=[first_store.id],
    )
    for login, name, role, store_id in (
        (ADMIN_LOGIN, "总部运营", "hq", None),
        (FINANCE_LOGIN, "财务复核", "hq", None),
        (STORE_LOGIN, f"{first_store.name}店长", "store", first_store.id),
    ):
        admins.create_admin(
            login=login,
            password=password_of(secret_key, login),
            name=name,
            role=role,
            brand_id=brand.id,
            store_id=store_id,
        )


def password_of(secret_key: str, login: str) -> str:
    """The password of a console user of the demonstration."""
    return derived(secret_key, "admin" if login == ADMIN_LOGIN else login)


def _campaigns(brand: Brand) -> dict[str, tuple[int, Terms]]:
    made = {}
    for row in _PLAN["campaigns"]:
        terms = Terms.of({name: value for name, value in row.items() if name in Terms.__dataclass_fields__})
        campaign_id = coupons.create_campaign(
            brand_id=brand.id,
            code=row["code"],
            name=row["name"],
            terms=terms,
            quota=row["quota"],
            claimable=row["claimable"],
        )
        made[row["code"]] = campaign_id, terms
    return made


def _ladder(brand: Brand, campaigns: dict[str, tuple[int, Terms]]) -> None:
    session.add_all(
        [
            EarnRule(brand_id=brand.id, **_PLAN["earn_rule"]),
            TierPolicy(brand_id=brand.id, **_PLAN["tier_policy"]),
        ]
    )
    tiers = [Tier(brand_id=brand.id, tier_id=ids.new_id(), rank=n, **row) for n, row in enumerate(_PLAN["tiers"])]
    session.add_all(tiers)
    session.flush()
    by_code = {tier.code: tier.tier_id for tier in tiers}
    names = {row["code"]: row["name"] for row in _PLAN["campaigns"]}
    session.add_all(
        Benefit(
            brand_id=brand.id,
            benefit_id=ids.new_id(),
            tier_id=by_code[tier],
            kind="coupon",
            campaign_id=campaigns[campaign][0],
            period="once",
            name=names[campaign],
        )
        for tier, campaign in _PLAN["benefits"].items()
    )
    session.flush()


def _sops(brand: Brand, materials: dict[str, int], campaigns: dict[str, tuple[int, Terms]]) -> None:
    for row in _PLAN["sops"]:
        trigger = dict(row["trigger"])
        if segment := row.get("segment"):
            trigger["segment_id"] = segments.save_segment(brand_id=brand.id, name=segment["name"], rule=segment["rule"])
        sops.save(
            brand_id=brand.id,
            code=row["code"],
            name=row["name"],
            trigger=trigger,
            steps=[
                Step(
                    title=step["title"],
                    action=step["action"],
                    day_offset=step["day_offset"],
                    local_time=step.get("local_time"),
                    material_id=materials.get(step.get("material")),
                    campaign_id=campaigns[step["campaign"]][0] if "campaign" in step else None,
                    deadline_hours=step["deadline_hours"],
                )
                for step in row["steps"]
            ],
        )


def _step(brand: Brand, event: str) -> tuple[int, int]:
    step = sop_queries.steps_for_event(brand.id, event)[0]
    return step.sop_id, step.step_id
