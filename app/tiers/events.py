"""Events of tiers."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class Upgraded(Event):
    """A member reached a higher tier, or the first one (`from_tier_id` None)."""

    name = "tiers.upgraded"

    from_tier_id: int | None
    tier_id: int
    tier_name: str


@dataclass(frozen=True, kw_only=True)
class Downgraded(Event):
    """A member's window no longer holds the growth of the tier, and its protection is over."""

    name = "tiers.downgraded"

    from_tier_id: int
    tier_id: int
    tier_name: str


@dataclass(frozen=True, kw_only=True)
class BenefitGranted(Event):
    """A member is owed a benefit of its tier for a period: a coupon of `campaign_id`, or `points`."""

    name = "tiers.benefit_granted"

    benefit_id: int
    period: str
    campaign_id: int | None = None
    points: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewDue(Event):
    """A chunk of a brand's members waits for the nightly review: those with an id above `after`."""

    name = "tiers.review_due"

    after: int


@dataclass(frozen=True, kw_only=True)
class BenefitsDue(Event):
    """A chunk of a brand's members waits for this period's recurring benefits. `at`: ISO time of the slot."""

    name = "tiers.benefits_due"

    at: str
