"""Members find their place on the ladder: when they join, and each night when their window no longer holds it."""

from __future__ import annotations

from app.core import clock, outbox
from app.core.slots import Slot
from app.members import family
from app.members.events import Joined
from app.org import queries as org
from app.tiers import commands as tiers
from app.tiers.events import BenefitsDue, ReviewDue

CHUNK = 500


def place(event: Joined) -> None:
    """A new member starts on the tier that its ledger gives, the first one as a rule."""
    assert event.member_id is not None
    if not family.erased(event.brand_id, event.member_id):
        tiers.place(brand_id=event.brand_id, member_id=event.member_id, at=clock.now())


def begin(slot: Slot) -> None:
    """Slot tiers.review: start every brand's review and its recurring benefits; each goes on chunk by chunk."""
    for brand in org.brands():
        outbox.emit(ReviewDue(brand_id=brand.id, after=0))
        outbox.emit(BenefitsDue(brand_id=brand.id, at=slot.at.isoformat()))


def review_chunk(event: ReviewDue) -> None:
    """Review one chunk of a brand's members and leave word of where the next one starts."""
    last = tiers.review(brand_id=event.brand_id, after=event.after, at=clock.now(), limit=CHUNK)
    if last is not None:
        outbox.emit(ReviewDue(brand_id=event.brand_id, after=last))
