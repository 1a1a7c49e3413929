"""Set campaigns up and switch them: who did what, when and why is kept (campaign_event).

draft -> submitted -> active <-> paused -> ended, and voided from any of them. A campaign above the size the brand has
set is made active by somebody else than who submitted it; a smaller one is active once it is submitted. One that waits
for approval and is changed is a draft again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, outbox
from app.core.db import session
from app.core.errors import Invalid
from app.core.locks import lock_rows

from .. import queries
from ..errors import (
    AllocationTooLarge,
    CampaignChanged,
    CampaignOver,
    CampaignUnknown,
    NotInThisState,
    SecondPersonNeeded,
)
from ..events import CampaignSwitched
from ..models import (
    Campaign,
    CampaignAllocation,
    CampaignBudget,
    CampaignDay,
    CampaignEvent,
    CampaignPolicy,
    CampaignStock,
    CampaignVersion,
)
from ..rules import Terms, local_day, split

STRIPES = 16
SYSTEM = "system"
# What may be done to a campaign, from which states, and into which.
STEPS: dict[str, tuple[tuple[str, ...], str]] = {
    "submit": (("draft",), "submitted"),
    "approve": (("submitted",), "active"),
    "reject": (("submitted",), "draft"),
    "activate": (("draft", "paused"), "active"),
    "pause": (("active",), "paused"),
    "resume": (("paused",), "active"),
    "end": (("draft", "submitted", "active", "paused"), "ended"),
    "void": (("draft", "submitted", "active", "paused", "ended"), "voided"),
}
COMING_OUT = ("submit", "approve")
WITH_REASON = ("reject", "pause", "end", "void")


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
    budget_fen: int | None = None,
    day_quota: int | None = None,
    actor: str = SYSTEM,
) -> int:
    """A new campaign with `quota` coupons to give; returns its id. `claimable`: members may claim by themselves.

    `budget_fen`: how much its coupons may take off in all; `day_quota`: how many are given on one local day.
    """
    if quota < 1 or not 1 <= stripes <= 1024:
        raise Invalid("A campaign needs a stock of at least one, in 1 to 1024 stripes.")
    if (budget_fen is not None and budget_fen < 1) or (day_quota is not None and day_quota < 1):
        raise Invalid("A budget and a day's stock are at least one.")
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
        day_quota=day_quota,
        budgeted=budget_fen is not None,
        created_by=actor,
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
    if budget_fen is not None:
        session.add(CampaignBudget(campaign_id=row.campaign_id, brand_id=brand_id, budget_fen=budget_fen, spent_fen=0))
    _note(row, "create", None, actor, "", {"quota": quota, "budget_fen": budget_fen, "day_quota": day_quota})
    return row.campaign_id


def switch(
    *, brand_id: int, campaign_id: int, action: str, actor: str, reason: str = "", seen: int | None = None
) -> str:
    """Take a campaign one step (STEPS) and answer its state. A step that leads where it is already changes nothing.
    `seen`: the newest event that the actor knows of, where the step rests on it.

    Raises CampaignUnknown, NotInThisState, SecondPersonNeeded, CampaignChanged when something was done since `seen`,
    CampaignOver for one that would come out after its end, Invalid without a reason where one is asked for
    (WITH_REASON). Paused: nothing is issued or redeemed; ended: what is out stays good; voided: what is out is
    withdrawn, by a sweep that follows.
    """
    row = _locked(brand_id, campaign_id)
    before, to = STEPS[action]
    if row.status == to and action != "approve":
        return row.status
    if row.status not in before:
        raise NotInThisState(status=row.status)
    if action in WITH_REASON and not reason.strip():
        raise Invalid("Say why.", field="reason")
    if seen is not None and seen != queries.newest_event(brand_id, campaign_id):
        raise CampaignChanged()
    if action in COMING_OUT and queries.version_terms(brand_id, campaign_id, row.version).over(clock.now()):
        raise CampaignOver()
    was = row.status
    if action == "submit":
        row.submitted_by, row.approved_by = actor, None
        to = "submitted" if _is_large(row, actor) else "active"
    elif action == "approve":
        if actor in (row.submitted_by, row.created_by):
            raise SecondPersonNeeded()
        row.approved_by = actor
    elif action == "activate" and was == "draft" and _is_large(row, actor):
        raise SecondPersonNeeded()
    row.status = to
    _note(row, action, was, actor, reason, {})
    outbox.emit(CampaignSwitched(brand_id=brand_id, campaign_id=campaign_id, status=to))
    return to


def set_status(*, brand_id: int, campaign_id: int, status: str) -> None:
    """`switch` by the state to come into, for what has no person behind it."""
    action = {"active": "activate", "paused": "pause", "ended": "end", "voided": "void"}[status]
    switch(brand_id=brand_id, campaign_id=campaign_id, action=action, actor=SYSTEM, reason=SYSTEM)


def revise(*, brand_id: int, campaign_id: int, terms: Terms, actor: str = SYSTEM) -> int:
    """New terms for coupons issued from now on; what is out keeps its own. Returns the version: the one in force when
    that says the same.
    """
    row = _growing(brand_id, campaign_id)
    if row.kind != terms.kind:
        raise Invalid("A campaign keeps its kind.", field="kind")
    if queries.version_terms(brand_id, campaign_id, row.version) == terms:
        return row.version
    row.version += 1
    session.add(
        CampaignVersion(
            brand_id=brand_id,
            campaign_id=campaign_id,
            version=row.version,
            terms=terms.stored(),
            created_at=clock.now(),
        )
    )
    session.flush()
    _check_size(row, actor)
    _note_change(row, "revise", actor, {"version": row.version})
    return row.version


def add_stock(*, brand_id: int, campaign_id: int, more: int, actor: str) -> int:
    """Give a campaign `more` coupons to issue; how many it has in all now."""
    if more < 1:
        raise Invalid("Stock only grows.", field="more")
    row = _growing(brand_id, campaign_id)
    stripes = session.scalars(
        select(CampaignStock)
        .where(CampaignStock.campaign_id == campaign_id)
        .order_by(CampaignStock.stripe)
        .with_for_update()
    ).all()
    for stripe, share in zip(stripes, split(more, [1] * len(stripes)), strict=True):
        stripe.quota += share
    session.flush()
    _check_size(row, actor)
    _note_change(row, "add_stock", actor, {"more": more})
    return sum(stripe.quota for stripe in stripes)


def set_budget(*, brand_id: int, campaign_id: int, budget_fen: int, actor: str) -> None:
    """How much the campaign's coupons may take off in all; never below what they have taken off already.

    One that has none gets a first budget as a draft only: what is redeemed at the same moment would not be counted.
    """
    row = _growing(brand_id, campaign_id)
    budget = lock_rows(CampaignBudget, [campaign_id]).get(campaign_id)
    if budget is None:
        if row.status != "draft" or budget_fen < 1:
            raise NotInThisState(status=row.status)
        session.add(CampaignBudget(campaign_id=campaign_id, brand_id=brand_id, budget_fen=budget_fen, spent_fen=0))
        row.budgeted = True
    elif budget_fen < max(1, budget.spent_fen):
        raise Invalid("The budget is below what was spent.", field="budget_fen", spent_fen=budget.spent_fen)
    else:
        budget.budget_fen = budget_fen
    session.flush()
    _check_size(row, actor)
    _note_change(row, "set_budget", actor, {"budget_fen": budget_fen})


def set_day_quota(*, brand_id: int, campaign_id: int, day_quota: int | None, actor: str) -> None:
    """How many coupons are given on one local day from now on; None: as many as there are."""
    if day_quota is not None and day_quota < 1:
        raise Invalid("A day's stock is at least one.", field="day_quota")
    row = _locked(brand_id, campaign_id)
    row.day_quota = day_quota
    if day_quota is not None:
        today = local_day(queries.version_terms(brand_id, campaign_id, row.version), clock.now())
        # Also where nothing was given today yet: a claim that read the old stock a moment ago must not begin the day.
        session.execute(
            insert(CampaignDay)
            .values(campaign_id=campaign_id, day=today, brand_id=brand_id, quota=day_quota, issued=0)
            .on_conflict_do_update(
                index_elements=["campaign_id", "day"], set_={"quota": func.greatest(day_quota, CampaignDay.issued)}
            ),
            execution_options={"synchronize_session": False},
        )
    _note_change(row, "set_day_quota", actor, {"day_quota": day_quota})


def allocate(*, brand_id: int, campaign_id: int, quotas: Mapping[int, int], actor: str) -> None:
    """Give stores their parts of the stock, by store; from then on coupons are given by stores with a part only.

    Stores that are not named keep theirs. AllocationTooLarge when the parts exceed the stock, or a store gave out more.
    """
    row = _locked(brand_id, campaign_id)
    if not quotas or min(quotas.values()) < 0:
        raise Invalid("Say how many each store has, zero or more.", field="quotas")
    parts = {
        one.store_id: one
        for one in session.scalars(
            select(CampaignAllocation)
            .where(CampaignAllocation.campaign_id == campaign_id)
            .order_by(CampaignAllocation.store_id)
            .with_for_update()
        )
    }
    for store_id, quota in sorted(quotas.items()):
        part = parts.get(store_id)
        if part is None:
            part = CampaignAllocation(
                campaign_id=campaign_id, store_id=store_id, brand_id=brand_id, quota=quota, issued=0
            )
            session.add(part)
            parts[store_id] = part
        elif quota < part.issued:
            raise AllocationTooLarge(store_id=store_id, issued=part.issued)
        part.quota = quota
    stock = session.scalar(select(func.sum(CampaignStock.quota)).where(CampaignStock.campaign_id == campaign_id))
    if sum(part.quota for part in parts.values()) > int(stock or 0):
        raise AllocationTooLarge(stock=int(stock or 0))
    row.allocated = True
    _note_change(row, "allocate", actor, {"quotas": {str(key): value for key, value in quotas.items()}})


def set_policy(
    *, brand_id: int, approve_quota: int | None, approve_budget_fen: int | None, actor: str = SYSTEM
) -> None:
    """From which stock or budget on campaigns of the brand are approved by a second person; None: not by that. Nobody
    loosens it for themselves: until somebody else sets it, what the actor submits is held to what it was as well.
    """
    session.execute(insert(CampaignPolicy).values(brand_id=brand_id, set_by=actor).on_conflict_do_nothing())
    row = session.get_one(CampaignPolicy, brand_id, populate_existing=True, with_for_update=True)
    row.strict_quota, row.strict_budget_fen = _sizes(row, actor)
    row.approve_quota, row.approve_budget_fen, row.set_by = approve_quota, approve_budget_fen, actor
    session.flush()


def _locked(brand_id: int, campaign_id: int) -> Campaign:
    found: Campaign | None = lock_rows(Campaign, [(brand_id, campaign_id)]).get((brand_id, campaign_id))
    if found is None:
        raise CampaignUnknown()
    return found


def _sizes(policy: CampaignPolicy, actor: str) -> tuple[int | None, int | None]:
    """(stock, budget) from which on somebody else approves what the actor submits."""
    now = (policy.approve_quota, policy.approve_budget_fen)
    if actor != policy.set_by:
        return now
    return _smaller(now[0], policy.strict_quota), _smaller(now[1], policy.strict_budget_fen)


def _smaller(*sizes: int | None) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


def _is_large(row: Campaign, actor: str) -> bool:
    """Whether a second person has to look: the stock, or what it may cost, is above what the brand has set. Without a
    budget the cost is what all coupons may take off; a percentage without a cap may cost anything.
    """
    policy = session.get(CampaignPolicy, row.brand_id, populate_existing=True)
    if policy is None:
        return False
    large_quota, large_fen = _sizes(policy, actor)
    quota = int(
        session.scalar(select(func.sum(CampaignStock.quota)).where(CampaignStock.campaign_id == row.campaign_id)) or 0
    )
    if large_quota is not None and quota >= large_quota:
        return True
    if large_fen is None:
        return False
    budget = session.get(CampaignBudget, row.campaign_id, populate_existing=True)
    if budget is not None:
        return budget.budget_fen >= large_fen
    each = queries.version_terms(row.brand_id, row.campaign_id, row.version).most_fen()
    return each is None or quota * each >= large_fen


def _growing(brand_id: int, campaign_id: int) -> Campaign:
    row = _locked(brand_id, campaign_id)
    if row.status in ("ended", "voided"):
        raise NotInThisState(status=row.status)
    return row


def _check_size(row: Campaign, actor: str) -> None:
    """What is out grows large, or changes while it is, by somebody else than its author only."""
    if row.status in ("active", "paused") and actor in (row.submitted_by, row.created_by) and _is_large(row, actor):
        raise SecondPersonNeeded()


def _note_change(row: Campaign, action: str, actor: str, details: dict[str, Any]) -> None:
    """A change of what a campaign has or promises: one that was to be approved is a draft again."""
    was = row.status
    if was == "submitted":
        row.status = "draft"
    _note(row, action, was, actor, "", details)


def _note(row: Campaign, action: str, was: str | None, actor: str, reason: str, details: dict[str, Any]) -> None:
    session.add(
        CampaignEvent(
            brand_id=row.brand_id,
            campaign_id=row.campaign_id,
            action=action,
            from_status=was,
            to_status=row.status,
            reason=reason.strip(),
            details=details,
            actor=actor,
            at=clock.now(),
            correlation_id=context.correlation_id(),
        )
    )
    session.flush()
