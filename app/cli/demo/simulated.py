"""The simulator's half of the demonstration: the same staff and customers, and where its callbacks go."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import requests

from .lives import Life
from .load import external_userid, openid, unionid
from .organisation import Founded, derived, derived_aes_key, plan

TIMEOUT = 120


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
        "shopper": f"{base}/client/miniprogram?customer=c000001",
    }


def world(founded: Founded, lives: Iterable[Life], secret_key: str, public_url: str) -> dict[str, Any]:
    """The body of the simulator's seed call: corp, mini-program, 40 departments, 200 staff, customers and follows."""
    wecom, mini = plan()["wecom"], plan()["miniprogram"]
    userids = {guide.id: guide.userid for guides in founded.guides.values() for guide in guides}
    customers, follows = [], []
    for life in lives:
        if not (life.bound_at or life.followed_at):
            continue
        customer = {
            "id": f"c{life.index + 1:06d}",
            "name": life.name,
            "gender": life.gender,
            "phone": life.phone,
            "unionid": unionid(life.index),
            "openids": {mini["appid"]: openid(life.index)},
            "external_userids": {wecom["corp_id"]: external_userid(life.index)},
        }
        customers.append(customer)
        if life.followed_at and life.guide_id:
            follows.append(
                {
                    "staff": userids[life.guide_id],
                    "customer": customer["id"],
                    "createtime": int(life.followed_at.timestamp()),
                }
            )
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
            }
        ],
        "departments": [{"id": store.department_id, "name": store.name} for store in founded.stores],
        "staff": [
            {
                "userid": guide.userid,
                "name": guide.name,
                "departments": [store.department_id],
                "position": "店长" if guide.role == "store_manager" else "导购",
            }
            for store in founded.stores
            for guide in founded.guides[store.id]
        ],
        "customers": customers,
        "follows": follows,
    }


def till(founded: Founded, key_id: str, secret: str) -> dict[str, Any]:
    """What the simulator's Saturday launch needs to buy: a till's key, the stores by department, what they sell."""
    stores = {str(store.department_id): store.code for store in founded.stores}
    return {"key_id": key_id, "secret": secret, "stores": stores, "products": plan()["products"]}


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call of the control API; raises requests.HTTPError when the simulator refuses."""
    answer = requests.request(method, f"{control_url()}{path}", json=body, timeout=TIMEOUT)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
