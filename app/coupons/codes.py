"""Coupon codes: what is printed or typed, and what the wallet shows.

A coupon's own code is 12 random symbols (60 bits) and a check symbol. The wallet never shows it: it shows a rotating
code of 21 symbols in which that code is sealed for one 60-second step, so that a photograph of the screen is worthless
two minutes later, and a redeemed step cannot be used again (coupon.code_step).
"""

from __future__ import annotations

import hmac
import secrets
import struct
from datetime import datetime, timedelta
from typing import NamedTuple

from app.core.crypto import mac

from .errors import CodeExpired, CouponUnknown

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no 0/O, no 1/I
STEP_SECONDS = 60
ACCEPTED_STEPS = 2  # the present one and the one before it
# Older ones are told apart from nonsense, so that the till can say "expired"; and an order that holds a coupon, for two
# hours at most, names it by the code that was scanned then.
_REMEMBERED_STEPS = 125
_CODE_SYMBOLS, _CODE_BITS = 12, 60
_TAG_BITS = 40
_ROTATING_SYMBOLS = (_TAG_BITS + _CODE_BITS) // 5
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}


def _powers() -> tuple[int, ...]:
    """1, a, a^2 ... of a primitive element of GF(32) (x^5 + x^2 + 1): 31 different non-zero weights."""
    out, value = [], 1
    for _ in range(31):
        out.append(value)
        value <<= 1
        if value & 32:
            value ^= 0b100101
    return tuple(out)


_WEIGHTS = _powers()
_LOG = {value: power for power, value in enumerate(_WEIGHTS)}


def _sum(symbols: str) -> int:
    """The weighted sum over GF(32) of symbols counted from the right.

    All weights differ and none is zero, so any one wrong symbol and any two exchanged ones change it.
    """
    total = 0
    for position, symbol in enumerate(reversed(symbols)):
        value = _VALUES[symbol]
        if value:
            total ^= _WEIGHTS[(_LOG[value] + position) % 31]
    return total


def _with_check(symbols: str) -> str:
    # The check symbol stands last, where the weight is 1: it is the value that brings the sum to zero.
    return symbols + ALPHABET[_sum(symbols + ALPHABET[0])]


def _spell(value: int, symbols: int) -> str:
    return "".join(ALPHABET[(value >> (5 * position)) & 31] for position in range(symbols - 1, -1, -1))


def _value(symbols: str) -> int:
    value = 0
    for symbol in symbols:
        value = value << 5 | _VALUES[symbol]
    return value


# The two symbols of ten bits, and what each pair adds to the check at each of its six places in a code.
_PAIRS = [_spell(value, 2) for value in range(1024)]
_PAIR_SUMS = tuple([_sum(pair + ALPHABET[0] * after) for pair in _PAIRS] for after in (11, 9, 7, 5, 3, 1))


def new_code() -> str:
    """A fresh coupon code: 13 symbols."""
    return _with_check(_spell(secrets.randbits(_CODE_BITS), _CODE_SYMBOLS))


def new_codes(count: int) -> list[str]:
    """Many fresh codes, as `new_code` makes them: two symbols at a time, about a microsecond each.

    The check is linear, so that of a code is the exclusive or of what its pairs of symbols add to it.
    """
    pairs, (a, b, c, d, e, f) = _PAIRS, _PAIR_SUMS
    out = []
    for raw in struct.unpack(f">{count}Q", secrets.token_bytes(8 * count)):
        u, v, w = raw >> 54, raw >> 44 & 1023, raw >> 34 & 1023
        x, y, z = raw >> 24 & 1023, raw >> 14 & 1023, raw >> 4 & 1023
        check = ALPHABET[a[u] ^ b[v] ^ c[w] ^ d[x] ^ e[y] ^ f[z]]
        out.append(pairs[u] + pairs[v] + pairs[w] + pairs[x] + pairs[y] + pairs[z] + check)
    return out


def typed(text: str) -> str | None:
    """The code of 13 symbols that somebody typed (case, blanks and hyphens do not matter), None for a slip."""
    symbols = text.upper().replace("-", "").replace(" ", "")
    if len(symbols) != _CODE_SYMBOLS + 1 or not _VALUES.keys() >= set(symbols) or _sum(symbols):
        return None
    return symbols


def printed(code: str) -> str:
    """A code as people read it: XXXX-XXXX-XXXXX. With hyphens no spreadsheet takes it for a number."""
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def step_at(at: datetime) -> int:
    """The number of the 60-second step that a moment lies in."""
    return int(at.timestamp()) // STEP_SECONDS


def rotating(code: str, at: datetime) -> tuple[str, int]:
    """What the wallet shows for a coupon's code at a moment, and for how many more seconds it will do so."""
    step = step_at(at)
    plain = _value(code[:_CODE_SYMBOLS])
    tag = _tag(plain, step)
    sealed = _with_check(_spell(tag << _CODE_BITS | plain ^ _mask(tag, step), _ROTATING_SYMBOLS))
    return sealed, STEP_SECONDS - int(at.timestamp()) % STEP_SECONDS


class Shown(NamedTuple):
    """What a till read: the coupon's own code, the step of a rotating code or None, and whether that is an old one."""

    code: str
    step: int | None
    old: bool = False


def read(text: str, at: datetime) -> Shown:
    """The coupon code behind what a till scanned or typed. CouponUnknown for nonsense, CodeExpired for an old one.

    Case, blanks and hyphens do not matter.
    """
    shown = recognized(text, at)
    if shown.old:
        raise CodeExpired()
    return shown


def recognized(text: str, at: datetime, *, drift: timedelta = timedelta()) -> Shown:
    """As `read`, with old codes too: for who must have some other right to the coupon then.

    `drift`: how far the clock that told `at` may be from ours, either way.
    """
    symbols = text.upper().replace("-", "").replace(" ", "")
    if len(symbols) not in (_CODE_SYMBOLS + 1, _ROTATING_SYMBOLS + 1) or not _VALUES.keys() >= set(symbols):
        raise CouponUnknown(mistyped=True)
    if _sum(symbols):
        raise CouponUnknown(mistyped=True)
    if len(symbols) == _CODE_SYMBOLS + 1:
        return Shown(symbols, None)
    value = _value(symbols[:-1])
    tag, masked = value >> _CODE_BITS, value & ((1 << _CODE_BITS) - 1)
    newest, oldest = step_at(at + drift), step_at(at - drift) - ACCEPTED_STEPS
    for step in range(newest, newest - _REMEMBERED_STEPS, -1):
        plain = masked ^ _mask(tag, step)
        if hmac.compare_digest(tag.to_bytes(5), _tag(plain, step).to_bytes(5)):
            return Shown(_with_check(_spell(plain, _CODE_SYMBOLS)), step, step <= oldest)
    raise CouponUnknown()


def _tag(plain: int, step: int) -> int:
    """40 bits that only we can make for a code and a step; they are also what the mask is drawn from."""
    return int.from_bytes(mac("coupon.rotating.tag", plain.to_bytes(8) + step.to_bytes(8))[:5])


def _mask(tag: int, step: int) -> int:
    return int.from_bytes(mac("coupon.rotating.mask", tag.to_bytes(5) + step.to_bytes(8))[:8]) >> (64 - _CODE_BITS)
