"""Something to decide: customers who got a second store card elsewhere, so the review queue is not empty."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from app.core import clock
from app.core.db import session
from app.flows import till_member
from app.identity import queries as identity
from app.members.models import Member
from app.org.models import Store

CASES = 3
FIRST_CARD = 990_000_001


def second_cards(brand_id: int, stores: list[Store]) -> None:
    """Let the till of another store open cards for phones that have one: contradictions, put up for review."""
    regulars = session.scalars(
        select(Member)
        .where(Member.brand_id == brand_id, Member.card_no.is_not(None), Member.phone_tail.is_not(None))
        .order_by(Member.member_id)
        .limit(CASES)
    ).all()
    for n, member in enumerate(regulars):
        phone = identity.phone_of(member.person_id)
        if phone is not None:
            till_member.open_card(
                brand_id=brand_id,
                store_id=next(store.id for store in reversed(stores) if store.id != member.home_store_id),
                card_no=str(FIRST_CARD + n),
                phone=phone,
                name=member.plain_name,
                opened_at=clock.now() - timedelta(days=2 + n),
            )
