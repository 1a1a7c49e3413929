"""Once a night every twin that is still open is looked at in its channel, and what differs is put right: a lost
callback, a step that was never told, a coupon withdrawn by hand. What has no twin yet is asked for by `wallets`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import clock
from app.core.errors import Retryable, SiyuError
from app.core.outbox import emit
from app.core.slots import Slot
from app.core.work import Effect
from app.coupons import queries as coupon_queries
from app.coupons.twins import commands, queries, rules
from app.coupons.twins.errors import ChannelNotConfigured, ChannelRefused
from app.coupons.twins.events import TwinsCompared
from app.coupons.twins.port import TwinRef
from app.coupons.twins.rules import Fact

from . import adapters, converge, wallets

CHUNK = 50


@dataclass(frozen=True)
class Look:
    """One twin to look at; `asked` is False while the channel has never been asked for it."""

    brand_id: int
    member_id: int
    coupon_id: int
    channel: str
    twin: TwinRef
    asked: bool


@dataclass(frozen=True)
class Seen:
    look: Look
    fact: Fact | None


@dataclass(frozen=True)
class Chunk:
    event: TwinsCompared
    looks: Sequence[Look]


def begin(slot: Slot) -> None:
    """Slot coupons.twins_compare."""
    emit(TwinsCompared(brand_id=0, before=clock.now().isoformat()))
    wallets.begin()


def _read(event: TwinsCompared) -> Chunk | None:
    looks = [
        Look(
            row.brand_id,
            row.member_id,
            row.coupon_id,
            row.channel,
            converge.ref_of(row, coupon_queries.owned(row.brand_id, row.member_id, row.coupon_id).code),
            row.state != "wanted",
        )
        for row in queries.to_look(before=datetime.fromisoformat(event.before), limit=CHUNK)
    ]
    return Chunk(event, looks) if looks else None


def _call(chunk: Chunk) -> list[Seen]:
    """Look at them one by one; what comes after a channel that is down is left for the next try."""
    seen: list[Seen] = []
    for look in chunk.looks:
        try:
            fact = adapters.channel(look.channel).look(look.twin) if look.asked else None
        except (ChannelRefused, ChannelNotConfigured):
            fact = None  # unknown there, or nobody to ask: the comparison goes by what we know
        except Retryable:
            if not seen:
                raise
            break
        seen.append(Seen(look, fact))
    return seen


def _record(chunk: Chunk, seen: list[Seen] | SiyuError) -> None:
    if isinstance(seen, SiyuError):
        raise seen
    for one in seen:
        key = {"brand_id": one.look.brand_id, "member_id": one.look.member_id, "coupon_id": one.look.coupon_id}
        if one.fact is not None:
            commands.note_fact(**key, fact=one.fact, asked=True)
        commands.note_looked(**key)
        found = queries.whole(one.look.brand_id, one.look.member_id, one.look.coupon_id)
        if found and rules.next_step(found.coupon.status, queries.side(found.twin), found.uses):
            commands.due(**key)
    event = chunk.event
    emit(TwinsCompared(brand_id=0, before=event.before, part=event.part + 1))


EFFECT = Effect(read=_read, call=_call, record=_record)
