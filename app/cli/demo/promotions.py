"""What the coupon pages have to show beside the history: campaigns of every kind and state, gifts, codes and a push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core import ids
from app.coupons import commands as coupons
from app.coupons.rules import Terms
from app.flows import push
from app.org import queries as org
from app.org.models import AdminUser
from app.segments import commands as segments

from .organisation import ADMIN_LOGIN, FINANCE_LOGIN, Founded, plan


def promote(founded: Founded) -> None:
    """Set all of it up, in the open transaction; workers do what is theirs once they run."""
    brand_id, row = founded.brand.id, plan()["promotions"]
    actors = {user.login: _actor(user) for user in org.admin_users(brand_id)}
    coupons.set_policy(
        brand_id=brand_id, approve_quota=row["approve_quota"], approve_budget_fen=row["approve_budget_fen"]
    )
    stores = {store.code: store.id for store in founded.stores}
    made = {one["code"]: _campaign(brand_id, one, stores, actors[FINANCE_LOGIN]) for one in row["campaigns"]}
    for store_id in stores.values():
        coupons.set_offline_limit(brand_id=brand_id, store_id=store_id, limit_fen=row["offline_fen"])
    by = actors[ADMIN_LOGIN]
    for gift in row["gifts"]:
        campaign_id = made[gift["campaign"]]
        told = {name: value for name, value in gift.items() if name != "campaign"}
        coupons.add_gift_rule(brand_id=brand_id, campaign_id=campaign_id, created_by=by, **told)
    codes = row["codes"]
    coupons.order_codes(
        brand_id=brand_id,
        campaign_id=made[codes["campaign"]],
        name=codes["name"],
        size=codes["size"],
        ends_at=None,
        created_by=by,
    )
    told = row["push"]
    push.start(
        brand_id=brand_id,
        campaign_id=made[told["campaign"]],
        segment_id=segments.save_segment(brand_id=brand_id, **told["segment"]),
        hold_out_bp=told["hold_out_bp"],
        created_by=by,
    )


def _campaign(brand_id: int, row: Mapping[str, Any], stores: Mapping[str, int], actor: str) -> int:
    campaign_id = coupons.create_campaign(
        brand_id=brand_id,
        code=row["code"],
        name=row["name"],
        terms=Terms.of({name: value for name, value in row.items() if name in Terms.__dataclass_fields__}),
        quota=row["quota"],
        claimable=row.get("claimable", False),
        status=row.get("status", "active"),
        budget_fen=row.get("budget_fen"),
        day_quota=row.get("day_quota"),
        actor=actor,
    )
    if parts := row.get("stores"):
        quotas = {stores[code]: quota for code, quota in parts.items()}
        coupons.allocate(brand_id=brand_id, campaign_id=campaign_id, quotas=quotas, actor=actor)
    for action, reason in row.get("steps", ()):
        coupons.switch(brand_id=brand_id, campaign_id=campaign_id, action=action, actor=actor, reason=reason)
    return campaign_id


def _actor(user: AdminUser) -> str:
    return ids.encode("adm", user.id)
