"""What a step is: what it reads, how WeCom is asked, and how an answer is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from app.core.errors import SiyuError
from app.wechat.wecom import WeCom

from .book import Book

Outcome = Literal["due", "verify", "done", "skipped"]

# WeCom's answers lag behind its callbacks (two seconds were seen): what is younger is left to the next run.
LAG = timedelta(minutes=1)
# A read a callback asked for that has not begun by then is not going to.
PATIENCE = timedelta(minutes=15)


@dataclass(frozen=True)
class Item:
    """One thing to read. `verify`: it was read, and what is missing from it is asked for by another call."""

    subject: str
    cursor: str = ""
    verify: bool = False
    began_at: datetime | None = None


@dataclass(frozen=True)
class Page:
    """WeCom's answer: `rows` is how much work it makes, `next_cursor` where the list goes on."""

    data: Any
    rows: int = 1
    next_cursor: str | None = None


@dataclass(frozen=True)
class Read:
    """An answered item. `asked_at`: when this page's call began; `began_at`: when the first page's did."""

    item: Item
    asked_at: datetime
    page: Page | None = None
    error: SiyuError | None = None

    @property
    def began_at(self) -> datetime:
        return self.item.began_at or self.asked_at


def _skip(book: Book, read: Read) -> Outcome:
    return "skipped"


def _nothing(book: Book) -> None:
    pass


def _of_no_callback(subject: str) -> tuple[str, str] | None:
    return None


@dataclass(frozen=True)
class Step:
    """`open`: the subjects to read, in a transaction. `ask`: one call of one item, in none. `apply`: an answer's page
    into our tables, in a transaction; answers what becomes of the item. `refused`: the same for a final error.
    `close`: all items are through. A step without `ask` works on our own tables only. `makes_good`: of a subject that
    was read, the (kind, key) of a callback's read (channels.refresh) which that replaces if it was never answered.
    """

    name: str
    open: Callable[[Book], Iterable[str]]
    apply: Callable[[Book, Read], Outcome]
    ask: Callable[[WeCom, Item], Page] | None = None
    refused: Callable[[Book, Read], Outcome] = _skip
    close: Callable[[Book], None] = _nothing
    makes_good: Callable[[str], tuple[str, str] | None] = _of_no_callback
