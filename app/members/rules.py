"""Member numbers and masks. No database, no clock."""

from __future__ import annotations

NUMBER_DIGITS = 10
NAME_CONTEXT = "members.name"


def number_from(body: int) -> str:
    """A member number: nine digits and a check digit (Luhn), so that a till notices a slip. `body` below 10**9."""
    digits = f"{body:09d}"
    return digits + str(_check_digit(digits))


def is_number(text: str) -> bool:
    """Whether a text can be a member number."""
    return len(text) == NUMBER_DIGITS and text.isascii() and text.isdigit() and _check_digit(text[:-1]) == int(text[-1])


def masked_phone(phone: str) -> str:
    """A phone number as guides and pages see it: 138****5678."""
    digits = phone.lstrip("+")
    return f"{digits[:3]}****{digits[-4:]}"


def _check_digit(digits: str) -> int:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return (10 - total % 10) % 10
