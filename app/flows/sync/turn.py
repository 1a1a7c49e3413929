"""One turn of a run: read what is next, ask WeCom, apply the answers, tell the next turn.

The delivery of SyncAdvanced(run, turn) does exactly that turn: the run's row is locked, and a delivery whose turn is
past does nothing. A quota or an outage keeps what was answered so far, or leaves the turn to be tried when WeCom says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from app.channels import refresh
from app.core import clock, context, outbox
from app.core.db import session
from app.core.errors import Retryable, SiyuError
from app.core.work import Effect

from .. import accounts
from .book import Book
from .events import SyncAdvanced
from .models import SyncItem, SyncRun
from .step import Item, Read, Step
from .steps import BY_NAME, STEPS, following

ROWS_A_TURN = 300  # applied in one transaction
CALLS_A_TURN = 20
SECONDS_A_TURN = 60.0


@dataclass(frozen=True)
class Turn:
    run_id: int
    turn: int
    brand_id: int
    step: str
    items: tuple[Item, ...]


def advance(run: SyncRun) -> None:
    """Tell that the run has come to its present turn."""
    run.moved_at = clock.now()
    with context.correlated(run.correlation_id):
        run.outbox_id = outbox.emit(SyncAdvanced(brand_id=run.brand_id, run_id=run.run_id, turn=run.turn))
    session.flush()


def _locked(run_id: int, turn: int) -> SyncRun | None:
    """The run, if it still stands at this turn."""
    run = session.scalar(
        select(SyncRun).where(SyncRun.run_id == run_id).with_for_update().execution_options(populate_existing=True)
    )
    return run if run is not None and run.status == "running" and run.turn == turn else None


def _read(event: SyncAdvanced) -> Turn | None:
    run = _locked(event.run_id, event.turn)
    if run is None:
        return None
    while run.status == "running":
        if items := _due(run):
            return Turn(run.run_id, run.turn, run.brand_id, run.step, items)
        book = Book(run)
        BY_NAME[run.step].close(book)
        book.close()
        if behind := _behind(run.run_id):
            run.step = behind  # a later step asked an earlier one to read more
        elif step := following(run.step):
            enter(run, step)
        else:
            run.status, run.finished_at = "done", clock.now()
            session.flush()
    return None


def enter(run: SyncRun, step: Step) -> None:
    """Begin a step: what it has to read is written down."""
    run.step, run.moved_at = step.name, clock.now()
    book = Book(run)
    book.read(step.name, step.open(book))
    book.close()
    session.flush()


def _behind(run_id: int) -> str | None:
    """A step that was opened and has something to read."""
    due = select(SyncItem.step).where(SyncItem.run_id == run_id, SyncItem.status.in_(("due", "verify")))
    found = set(session.scalars(due.distinct()))
    return next((step.name for step in STEPS if step.name in found), None)


def _due(run: SyncRun) -> tuple[Item, ...]:
    rows = session.scalars(
        select(SyncItem)
        .where(
            SyncItem.run_id == run.run_id,
            SyncItem.step == run.step,
            SyncItem.status.in_(("due", "verify")),
        )
        .order_by(SyncItem.subject)
        .limit(CALLS_A_TURN)
        .execution_options(populate_existing=True)
    )
    return tuple(Item(row.subject, row.cursor, row.status == "verify", row.began_at) for row in rows)


def _call(turn: Turn) -> list[Read]:
    step = BY_NAME[turn.step]
    if step.ask is None:
        return [Read(item, clock.now()) for item in turn.items]
    wecom = accounts.wecom(turn.brand_id)
    reads: list[Read] = []
    rows, ends = 0, time.monotonic() + SECONDS_A_TURN
    for item in turn.items:
        # Whole seconds, as callbacks have no finer time.
        asked_at = clock.now().replace(microsecond=0)
        try:
            page = step.ask(wecom, item)
        except Retryable:
            if not reads:
                raise
            break
        except SiyuError as error:
            reads.append(Read(item, asked_at, error=error))
            continue
        reads.append(Read(item, asked_at, page))
        rows += page.rows
        if rows >= ROWS_A_TURN or time.monotonic() > ends:
            break
    return reads


def _record(turn: Turn, answer: list[Read] | SiyuError) -> None:
    run = _locked(turn.run_id, turn.turn)
    if run is None:
        return
    if isinstance(answer, SiyuError):  # no account of the brand any more, and the like
        run.status, run.error, run.finished_at = "failed", answer.code, clock.now()
        session.flush()
        return
    step, book, good = BY_NAME[turn.step], Book(run), dict[str, dict[str, datetime]]()
    for read in answer:
        outcome = step.refused(book, read) if read.error is not None else step.apply(book, read)
        goes_on = outcome == "due" and read.page is not None
        session.execute(
            update(SyncItem)
            .where(SyncItem.run_id == run.run_id, SyncItem.step == step.name, SyncItem.subject == read.item.subject)
            .values(
                status=outcome,
                cursor=(read.page.next_cursor or "") if goes_on and read.page else "",
                began_at=read.began_at,
                error=read.error.code if read.error is not None else None,
            ),
            execution_options={"synchronize_session": False},
        )
        if outcome in ("done", "skipped") and (asked := step.makes_good(read.item.subject)):
            good.setdefault(asked[0], {})[asked[1]] = read.began_at
    for kind, keys in good.items():
        refresh.make_good(corp_id=run.corp_id, kind=kind, read=keys)
    book.close()
    run.turn += 1
    advance(run)


GO_ON = Effect(read=_read, call=_call, record=_record)
