"""Somebody holds a phone that another person is known by: the question whether they are that person."""

from __future__ import annotations

from sqlalchemy import update

from app.core import clock, crypto, ids
from app.core.db import session

from .. import queries
from ..models import PhoneClaim
from ..rules import SEAL_CONTEXT, Identity

_FETCH = {"synchronize_session": "fetch"}


def open_claim(*, brand_id: int, claimant_id: int, holder_id: int, number: Identity, reason: str) -> int:
    """Ask; the claim's id. Asking again, with the phone proved afresh, is a new claim and ends the one before."""
    kind, _, value = number.key
    session.execute(
        update(PhoneClaim)
        .where(
            PhoneClaim.brand_id == brand_id,
            PhoneClaim.claimant_id.in_(queries.all_ids_of(claimant_id)),
            PhoneClaim.value == value,
            PhoneClaim.status == "open",
        )
        .values(status="closed", closed_at=clock.now()),
        execution_options={"synchronize_session": False},
    )
    claim_id = ids.new_id()
    session.add(
        PhoneClaim(
            brand_id=brand_id,
            claim_id=claim_id,
            claimant_id=claimant_id,
            holder_id=holder_id,
            value=value,
            sealed_value=crypto.encrypt(number.value, context=SEAL_CONTEXT),
            reason=reason,
        )
    )
    session.flush()
    return claim_id


def count_try(*, brand_id: int, claim_id: int, most: int) -> int | None:
    """Count a proof about to be looked at; how many there were with it, or None when there may be no more."""
    return session.scalar(
        update(PhoneClaim)
        .where(
            PhoneClaim.brand_id == brand_id,
            PhoneClaim.claim_id == claim_id,
            PhoneClaim.status == "open",
            PhoneClaim.tries < most,
        )
        .values(tries=PhoneClaim.tries + 1)
        .returning(PhoneClaim.tries),
        execution_options=_FETCH,
    )


def close_claim(*, brand_id: int, claim_id: int, status: str) -> None:
    """End a claim: merged, review, moved or closed."""
    session.execute(
        update(PhoneClaim)
        .where(PhoneClaim.brand_id == brand_id, PhoneClaim.claim_id == claim_id)
        .values(status=status, closed_at=clock.now()),
        execution_options=_FETCH,
    )
