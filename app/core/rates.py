"""How often somebody may do something: counted in Redis, minute by minute.

The counts are no truth, as nothing in Redis is: while it is away nobody is refused. What must hold all the same is
guarded in PostgreSQL as well (a login's own lock).
"""

from __future__ import annotations

from typing import NamedTuple

from redis.exceptions import RedisError

from . import clock, crypto, redis
from .errors import TooManyRequests

WINDOW_SECONDS = 60


_told: dict[tuple[str, str, int], int] = {}  # acts of this process that Redis has not heard of yet
_over: dict[tuple[str, str], int] = {}  # who was over a limit, and in which minute
_KEPT = 100_000


class Counted(NamedTuple):
    """How many acts there were in the minute, and the seconds until the next one begins."""

    times: int
    seconds_left: int
    minute: int


def check(act: str, who: str, *, most: int) -> None:
    """Count one act of somebody (an address, an id); TooManyRequests (429) after `most` in one minute."""
    counted = count(act, who)
    if counted.times > most:
        raise TooManyRequests(retry_after=counted.seconds_left)


def count(act: str, who: str, *, times: int = 1) -> Counted:
    """Count acts of somebody and say how many there were in this minute; 0 while Redis is away."""
    minute, gone = divmod(int(clock.now().timestamp()), WINDOW_SECONDS)
    key = f"siyu:rate:{act}:{crypto.mac('rate', who.encode()).hex()[:32]}:{minute}"  # an address is personal data
    try:
        with redis.connection().pipeline() as pipeline:
            pipeline.incrby(key, times)
            pipeline.expire(key, WINDOW_SECONDS)
            found = int(pipeline.execute()[0])
    except RedisError:
        found = 0
    return Counted(found, WINDOW_SECONDS - gone, minute)


def count_batched(act: str, who: str, *, batch: int) -> Counted | None:
    """Count one act on a hot path: a process tells Redis of `batch` of them at once; None in between."""
    key = (act, who, _minute())
    if len(_told) >= _KEPT:
        _told.clear()
    waiting = _told[key] = _told.get(key, 0) + 1  # threads may lose one to each other, which is no truth either
    if waiting < batch:
        return None
    _told.pop(key, None)
    return count(act, who, times=waiting)


def shut_out(act: str, who: str) -> None:
    """Remember in this process that somebody is over a limit, until the minute ends."""
    if len(_over) >= _KEPT:
        _over.clear()
    _over[act, who] = _minute()


def refuse_shut_out(act: str, who: str) -> None:
    """TooManyRequests while somebody is shut out. Costs a look into a dictionary: nothing is asked."""
    if _over and (minute := _over.get((act, who))) is not None:
        present, gone = divmod(int(clock.now().timestamp()), WINDOW_SECONDS)
        if minute == present:
            raise TooManyRequests(retry_after=WINDOW_SECONDS - gone)
        _over.pop((act, who), None)


def _minute() -> int:
    return int(clock.now().timestamp()) // WINDOW_SECONDS
