"""Member numbers and masks. No database, no clock."""

from __future__ import annotations

from typing import Any

from app.core import crypto
from app.identity.rules import masked_phone

__all__ = ["NAME_CONTEXT", "NUMBER_DIGITS", "is_number", "masked_phone", "number_from", "same_fact"]

NUMBER_DIGITS = 10
NAME_CONTEXT = "members.name"


def same_fact(column: str, one: Any, other: Any) -> bool:
    """Whether a fact of two members is the same; names are ciphertexts, and two of one name differ."""
    if column == "name" and one is not None and other is not None:
        return crypto.decrypt(one, context=NAME_CONTEXT) == crypto.decrypt(other, context=NAME_CONTEXT)
    return bool(one == other)


def number_from(body: int) -> str:
    """A member number: nine digits and a check digit (Luhn), so that a till notices a slip. `body` below 10**9."""
    digits = f"{body:09d}"
    return digits + str(_check_digit(digits))


def is_number(text: str) -> bool:
    """Whether a text can be a member number."""
    return len(text) == NUMBER_DIGITS and text.isascii() and text.isdigit() and _check_digit(text[:-1]) == int(text[-1])


def _check_digit(digits: str) -> int:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return (10 - total % 10) % 10
