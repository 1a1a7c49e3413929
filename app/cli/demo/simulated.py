"""The simulator's half of the demonstration: the same staff and customers, and where its callbacks go."""

from __future__ import annotations

import os
from typing import Any

import requests
from sqlalchemy import select

from app.channels.models import Follow
from app.core import crypto
from app.core.db import session
from app.identity.models import IdentityRow
from app.identity.rules import SEAL_CONTEXT
from app.members.models import Member
from app.members.rules import NAME_CONTEXT, number_from
from app.org import queries as org
from app.org.models import Brand

from .organisation import FIRST_NUMBER, derived, derived_aes_key, plan

TIMEOUT = 120
FIRST_CUSTOMER = number_from(FIRST_NUMBER)


def control_url() -> str | None:
    """The simulator's control API, when there is a simulator (SIMULATOR_URL)."""
    base = os.environ.get("SIMULATOR_URL")
    return f"{base}/_control" if base else None


def pages() -> dict[str, str]:
    """The simulator's pages to open, when there is a simulator."""
    base = os.environ.get("SIMULATOR_URL")
    if not base:
        return {}
    return {
        "control_room": f"{base}/",
        "guide": f"{base}/client/wecom?staff=g0001",
        "shopper": f"{base}/client/miniprogram?customer={FIRST_CUSTOMER}",
    }


def world(brand: Brand, secret_key: str, public_url: str) -> dict[str, Any]:
    """The body of the simulator's seed call, read from the database: corp, mini-program, departments, staff, and every
    person whom WeChat knows. A customer's id is the member number, so that who is who can be looked up on both sides.
    """
    wecom, mini, official = plan()["wecom"], plan()["miniprogram"], plan()["official"]
    stores = org.stores(brand.id)
    people = _people(brand)
    return {
        "corps": [
            {
                "corp_id": wecom["corp_id"],
                "name": plan()["brand"]["name"],
                "apps": [
                    {"agent_id": wecom["agent_id"], "secret": derived(secret_key, "wecom-secret"), "name": "Siyu"}
                ],
                "callback": {
                    "url": f"{public_url}/hooks/wecom/{wecom['corp_id']}",
                    "token": derived(secret_key, "wecom-token"),
                    "aes_key": derived_aes_key(secret_key, "wecom-aes"),
                    "format": "xml",
                    "agent_id": wecom["agent_id"],
                },
            }
        ],
        "miniprograms": [
            {
                "appid": mini["appid"],
                "secret": derived(secret_key, "miniprogram-secret"),
                "original_id": mini["original_id"],
                "name": plan()["brand"]["name"],
                "platform": plan()["open_platform"],
                "callback": {
                    "url": f"{public_url}/hooks/miniprogram/{mini['appid']}",
                    "token": derived(secret_key, "miniprogram-token"),
                    "aes_key": derived_aes_key(secret_key, "miniprogram-aes"),
                    "format": "json",
                },
            },
            {
                "appid": official["appid"],
                "kind": "official",
                "secret": derived(secret_key, "official-secret"),
                "original_id": official["original_id"],
                "name": plan()["brand"]["name"],
                "platform": plan()["open_platform"],
                "callback": {
                    "url": f"{public_url}/hooks/official/{official['appid']}",
                    "token": derived(secret_key, "official-token"),
                    "aes_key": derived_aes_key(secret_key, "official-aes"),
                    "format": "xml",
                },
            },
        ],
        "departments": [
            {
                "id": store.department_id,
                "name": store.name,
                "leaders": [one.userid for one in org.guides_of_store(store.id) if one.role == "store_manager"],
            }
            for store in stores
        ],
        "staff": [
            {
                "userid": guide.userid,
                "name": guide.name,
                "departments": [store.department_id],
                "position": "店长" if guide.role == "store_manager" else "导购",
            }
            for store in stores
            for guide in org.guides_of_store(store.id)
        ],
        "customers": list(people.values()),
        "follows": _follows(brand, people),
    }


def _people(brand: Brand) -> dict[int, dict[str, Any]]:
    """The simulator's customers by person: whoever has an id that WeChat gave."""
    found: dict[int, dict[str, Any]] = {}
    known = select(IdentityRow).where(IdentityRow.kind.in_(("openid", "unionid", "external_userid", "mobile")))
    for row in session.scalars(known.execution_options(yield_per=2000)):
        person = found.setdefault(row.person_id, {"openids": {}, "external_userids": {}})
        if row.kind == "mobile":
            person["phone"] = crypto.decrypt(row.sealed_value or "", context=SEAL_CONTEXT)
        elif row.kind == "unionid":
            person["unionid"] = row.value
        else:
            person[f"{row.kind}s"][row.namespace] = row.value
    members = session.execute(
        select(Member.person_id, Member.number, Member.name, Member.gender).where(Member.brand_id == brand.id)
    )
    for person_id, number, name, gender in members:
        if person_id in found:
            plain = crypto.decrypt(name, context=NAME_CONTEXT) if name else number
            found[person_id] |= {"id": number, "name": plain, "gender": gender}
    return {
        person_id: one
        for person_id, one in found.items()
        if "id" in one and (one["openids"] or one["external_userids"])
    }


def _follows(brand: Brand, people: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    rows = session.scalars(select(Follow).where(Follow.brand_id == brand.id, Follow.status == "active"))
    return [
        {"staff": row.userid, "customer": people[row.person_id]["id"], "createtime": int(row.added_at.timestamp())}
        for row in rows
        if row.person_id in people
    ]


def till(brand: Brand, key_id: str, secret: str) -> dict[str, Any]:
    """What the simulator's Saturday launch needs to buy: a till's key, the stores by department, what they sell."""
    stores = {str(store.department_id): store.code for store in org.stores(brand.id)}
    return {"key_id": key_id, "secret": secret, "stores": stores, "products": plan()["products"]}


def knows_the_brand(public_url: str) -> bool:
    """Whether the simulator has the demonstration's staff and sends its callbacks to this address."""
    targets = call("GET", "/callbacks")["rows"]
    here = bool(targets) and all(target["url"].startswith(f"{public_url}/") for target in targets)
    return here and bool(call("GET", "/staff?limit=1")["rows"])


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call of the control API; raises requests.HTTPError when the simulator refuses."""
    answer = requests.request(method, f"{control_url()}{path}", json=body, timeout=TIMEOUT)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
