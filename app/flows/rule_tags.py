"""Tags that segments give: each hour every rule's tag is put on and taken off, chunk by chunk."""

from __future__ import annotations

from datetime import datetime

from app.core import outbox
from app.core.slots import Slot
from app.org import queries as org
from app.segments import commands as segments
from app.segments import queries as segment_queries
from app.segments.events import TagRuleDue

CHUNK = 2000


def begin(slot: Slot) -> None:
    """Slot tags.apply_rules: start every rule's tag of every brand."""
    for brand in org.brands():
        for tag_id in segment_queries.rule_tags(brand.id):
            start(brand_id=brand.id, tag_id=tag_id, as_of=slot.at)


def start(*, brand_id: int, tag_id: int, as_of: datetime) -> None:
    """Have a rule's tag follow its segment as of a moment."""
    outbox.emit(TagRuleDue(brand_id=brand_id, tag_id=tag_id, as_of=as_of.isoformat(), after=0))


def apply_chunk(event: TagRuleDue) -> None:
    """Work off one chunk and leave word of where the next one starts."""
    as_of = datetime.fromisoformat(event.as_of)
    last = segments.apply_rule(
        brand_id=event.brand_id, tag_id=event.tag_id, as_of=as_of, after=event.after, limit=CHUNK
    )
    if last is not None:
        outbox.emit(TagRuleDue(brand_id=event.brand_id, tag_id=event.tag_id, as_of=event.as_of, after=last))
