"""64-bit, time-ordered ids made by the application, and their opaque public spelling.

Layout: 41 bits of milliseconds since 2024-01-01, 14 bits that name the process, 8 bits of sequence. No database
sequence is needed, so a fan-out can be spread over many nodes, and an id sorts by its time of birth.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from datetime import UTC, datetime

from .errors import NotFound

_EPOCH_MS = 1_704_067_200_000
_NODE_BITS, _SEQ_BITS = 14, 8
_CLOCK_BACK_MS = 10_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}
_LENGTH = 13
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class _Generator:
    """Ids of one process. The node part is drawn anew after a fork, so that parent and child differ."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reseed()
        os.register_at_fork(after_in_child=self._reseed)

    def _reseed(self) -> None:
        self._lock = threading.Lock()
        self._node = secrets.randbits(_NODE_BITS)
        self._last_ms = 0
        self._seq = 0

    def take(self, count: int) -> list[int]:
        out = []
        with self._lock:
            now_ms = time.time_ns() // 1_000_000 - _EPOCH_MS
            if now_ms < self._last_ms - _CLOCK_BACK_MS:
                # The clock was set back: tell the true time again, under another name.
                self._node, self._last_ms, self._seq = secrets.randbits(_NODE_BITS), 0, 0
            now_ms = max(now_ms, self._last_ms)
            for _ in range(count):
                if now_ms > self._last_ms:
                    self._last_ms, self._seq = now_ms, 0
                elif self._seq == (1 << _SEQ_BITS) - 1:
                    # Borrow from the coming millisecond rather than wait: a block stays unique and ordered.
                    now_ms += 1
                    self._last_ms, self._seq = now_ms, 0
                else:
                    self._seq += 1
                out.append((now_ms << (_NODE_BITS + _SEQ_BITS)) | (self._node << _SEQ_BITS) | self._seq)
        return out


_generator = _Generator()


def new_id() -> int:
    """One new id."""
    return _generator.take(1)[0]


def new_ids(count: int) -> list[int]:
    """`count` new ids in ascending order."""
    return _generator.take(count)


def born_at(value: int) -> datetime:
    """When an id was made, to the millisecond: its process may have run a little ahead of the clock."""
    return datetime.fromtimestamp(((value >> (_NODE_BITS + _SEQ_BITS)) + _EPOCH_MS) / 1000, tz=UTC)


def first_of(moment: datetime) -> int:
    """The least id that can be made at a moment: what was made before it is below."""
    return max(0, int(moment.timestamp() * 1000) - _EPOCH_MS) << (_NODE_BITS + _SEQ_BITS)


def encode(prefix: str, value: int) -> str:
    """The public spelling of an id: `encode("mbr", 5)` -> "mbr_0000000000005"."""
    # Unrolled, two symbols at a time: several ids are spelled in every request.
    return (
        f"{prefix}_{_ALPHABET[value >> 60]}{_PAIRS[value >> 50 & 1023]}{_PAIRS[value >> 40 & 1023]}"
        f"{_PAIRS[value >> 30 & 1023]}{_PAIRS[value >> 20 & 1023]}{_PAIRS[value >> 10 & 1023]}{_PAIRS[value & 1023]}"
    )


def decode(prefix: str, text: str) -> int:
    """The id behind a public spelling; NotFound for anything else, so that a wrong id looks like a missing one."""
    head, _, body = text.partition("_")
    if head != prefix or len(body) != _LENGTH:
        raise NotFound()
    value = 0
    for char in body:
        digit = _VALUES.get(char)
        if digit is None:
            raise NotFound()
        value = (value << 5) | digit
    if value >= 1 << 63:
        raise NotFound()
    return value
