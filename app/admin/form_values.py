"""What people type into the console's forms, read; what is wrong with it is said in words."""

from __future__ import annotations

import re
import secrets
from datetime import date
from decimal import Decimal

from app.core.errors import SiyuError
from app.core.idempotency import IdempotencyKeyReused

YEARS = range(2000, 2100)  # no date of a campaign needs another
_YUAN = re.compile(r"\d{1,10}(\.\d{1,2})?", re.ASCII)


class FormWrong(Exception):
    """What is wrong with a form, in words, and with which field, if one is to be pointed at."""

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.words, self.field = words, field


def fen(text: str, what: str, *, field: str = "", most: int | None = None) -> int:
    """Yuan as people write them, in fen; 0 for nothing. `most`: in fen."""
    plain = _plain(text).removeprefix("¥").removeprefix("￥").strip()
    if not plain:
        return 0
    if not _YUAN.fullmatch(plain) or most is not None and Decimal(plain) * 100 > most:
        raise FormWrong(f"{what}不正确，请填写金额（元），例如 50 或 49.90。", field)
    return int(Decimal(plain) * 100)


def whole(text: str, what: str, *, least: int = 1) -> int:
    """A whole number as people write it."""
    plain = _plain(text)
    if not plain.isascii() or not plain.isdigit() or len(plain) > 10 or int(plain) < least:
        raise FormWrong(f"{what}不正确，请填写不小于 {least} 的整数。")
    return int(plain)


def day(text: str, what: str) -> date:
    """A date as browsers and people write it."""
    try:
        told = date.fromisoformat(text.strip())
    except ValueError:
        told = date.min
    if told.year not in YEARS:
        raise FormWrong(f"{what}不正确，请按 2027-01-31 填写，年份须在 {YEARS[0]} 至 {YEARS[-1]} 之间。")
    return told


def form_key(given: str | None = None, refusal: SiyuError | None = None) -> str:
    """The key a form is sent again with: its own, or a fresh one where it has none, or one that did something else
    before.
    """
    reused = isinstance(refusal, IdempotencyKeyReused)
    return secrets.token_hex(16) if reused or not given else given


def _plain(text: str) -> str:
    return text.strip().replace(",", "").replace("，", "")
