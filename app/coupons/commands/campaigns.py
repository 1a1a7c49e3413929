"""Set campaigns up and switch them."""

from __future__ import annotations

from sqlalchemy import update

from app.core import clock
from app.core.db import session
from app.core.errors import Invalid

from ..errors import CampaignClosed, CampaignUnknown
from ..models import Campaign, CampaignStock, CampaignVersion
from ..rules import Terms, split

STRIPES = 16
_BEFORE = {"active": ("draft", "paused"), "paused": ("active",), "ended": ("draft", "active", "paused")}


def create_campaign(
    *,
    brand_id: int,
    code: str,
    name: str,
    terms: Terms,
    quota: int,
    claimable: bool = False,
    status: str = "active",
    stripes: int = STRIPES,
) -> int:
    """A new campaign with `quota` coupons to give; returns its id. `claimable`: members may claim by themselves."""
    if quota < 1 or not 1 <= stripes <= 1024:
        raise Invalid("A campaign needs a stock of at least one, in 1 to 1024 stripes.")
    now = clock.now()
    row = Campaign(
        brand_id=brand_id,
        code=code,
        name=name,
        kind=terms.kind,
        status=status,
        version=1,
        claimable=claimable,
        created_at=now,
    )
    session.add(row)
    session.flush()
    session.add(
        CampaignVersion(brand_id=brand_id, campaign_id=row.campaign_id, version=1, terms=terms.stored(), created_at=now)
    )
    shares = split(quota, [1] * min(stripes, quota))
    session.add_all(
        CampaignStock(campaign_id=row.campaign_id, stripe=stripe, brand_id=brand_id, quota=share, issued=0)
        for stripe, share in enumerate(shares)
    )
    session.flush()
    return row.campaign_id


def set_status(*, brand_id: int, campaign_id: int, status: str) -> None:
    """Activate, pause or end a campaign. Paused: nothing is issued or redeemed; ended: what is out stays good."""
    changed = session.execute(
        update(Campaign)
        .where(
            Campaign.brand_id == brand_id,
            Campaign.campaign_id == campaign_id,
            Campaign.status.in_(_BEFORE.get(status, ())),
        )
        .values(status=status)
        .returning(Campaign.campaign_id),
    ).one_or_none()
    if changed is None:
        if session.get(Campaign, (brand_id, campaign_id)) is None:
            raise CampaignUnknown()
        raise CampaignClosed("The campaign cannot be switched to this state.")


def revise(*, brand_id: int, campaign_id: int, terms: Terms) -> int:
    """New terms for coupons issued from now on; what is out keeps its own. Returns the version."""
    version = session.execute(
        update(Campaign)
        .where(Campaign.brand_id == brand_id, Campaign.campaign_id == campaign_id, Campaign.kind == terms.kind)
        .values(version=Campaign.version + 1)
        .returning(Campaign.version)
    ).scalar_one_or_none()
    if version is None:
        raise CampaignUnknown()
    session.add(
        CampaignVersion(
            brand_id=brand_id, campaign_id=campaign_id, version=version, terms=terms.stored(), created_at=clock.now()
        )
    )
    session.flush()
    return version
