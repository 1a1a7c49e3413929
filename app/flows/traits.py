"""Traits follow the orders: of the one who bought at once, of all after an import and each night."""

from __future__ import annotations

from datetime import datetime

from app.core import clock, outbox
from app.core.slots import Slot
from app.imports.events import Finished
from app.members import queries as members
from app.org import queries as org
from app.privacy.events import OptedIn, OptedOut
from app.privacy.rules import PROFILING
from app.sales.events import OrderPaid, OrderRefunded
from app.segments import commands as segments
from app.segments.events import TraitsDue

CHUNK = 2000
BOUGHT = ("members", "orders", "order_lines", "refunds")


def on_order(event: OrderPaid | OrderRefunded) -> None:
    """Make the traits of the member who bought, or whose money went back, anew; a walk-in has none."""
    member = members.living(event.brand_id, event.member_id) if event.member_id is not None else None
    if member is not None:
        segments.refresh_traits(brand_id=event.brand_id, member_ids=[member.member_id], as_of=clock.now())


def on_import(event: Finished) -> None:
    """A file may concern any of a brand's members: look at all of them, and write what came out differently."""
    if event.kind in BOUGHT and (event.created or event.updated):
        outbox.emit(TraitsDue(brand_id=event.brand_id, as_of=clock.now().isoformat(), after=0))


def on_consent(event: OptedOut | OptedIn) -> None:
    """Who refuses to be profiled loses the traits at once, and has them again when they agree."""
    if event.purpose == PROFILING and event.member_id is not None:
        segments.refresh_traits(brand_id=event.brand_id, member_ids=[event.member_id], as_of=clock.now())


def begin(slot: Slot) -> None:
    """Slot traits.rebuild: renew every brand's cut points, then its traits, chunk by chunk."""
    for brand in org.brands():
        segments.renew_cuts(brand_id=brand.id, as_of=slot.at)
        outbox.emit(TraitsDue(brand_id=brand.id, as_of=slot.at.isoformat(), after=0))


def rebuild_chunk(event: TraitsDue) -> None:
    """Make the traits of one chunk of members and leave word of where the next one starts."""
    as_of = datetime.fromisoformat(event.as_of)
    last = segments.rebuild_traits(brand_id=event.brand_id, after=event.after, limit=CHUNK, as_of=as_of)
    if last is not None:
        outbox.emit(TraitsDue(brand_id=event.brand_id, as_of=event.as_of, after=last))
