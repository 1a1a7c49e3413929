"""How often somebody may do something: counted in Redis, minute by minute.

The counts are no truth, as nothing in Redis is: while it is away nobody is refused. What must hold all the same is
guarded in PostgreSQL as well (a login's own lock).
"""

from __future__ import annotations

from redis.exceptions import RedisError

from . import clock, crypto, redis
from .errors import TooManyRequests

WINDOW_SECONDS = 60


def check(act: str, who: str, *, most: int) -> None:
    """Count one act of somebody (an address, an id); TooManyRequests (429) after `most` in one minute."""
    minute, gone = divmod(int(clock.now().timestamp()), WINDOW_SECONDS)
    key = f"siyu:rate:{act}:{crypto.mac('rate', who.encode()).hex()[:32]}:{minute}"  # an address is personal data
    try:
        with redis.connection().pipeline() as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, WINDOW_SECONDS)
            count = int(pipeline.execute()[0])
    except RedisError:
        return
    if count > most:
        raise TooManyRequests(retry_after=WINDOW_SECONDS - gone)
