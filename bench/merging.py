"""What bench.merges runs in processes of its own, with the application on the scratch database.

`timed LOW HIGH` merges and parts those pairs of bench.wallets, one after the other, and prints the milliseconds of each
as JSON; `many LOW HIGH ROUNDS FILE` does so ROUNDS times over, noting in FILE how far it came; `examine` prints the
names of broken invariants.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from app.core.db import session
from app.core.transaction import run
from app.flows import doctor, merge, split
from app.identity.models import PersonMerge
from bench.wallets import PERSON
from wsgi import app

CHUNK = 50


def together(pair: int) -> None:
    merge.merge(brand_id=None, person_id=PERSON + 2 * pair, other_id=PERSON + 2 * pair + 1, source="bench", by="bench")


def apart(pair: int) -> None:
    merge_id = session.scalars(
        select(PersonMerge.merge_id).where(
            PersonMerge.loser_id == PERSON + 2 * pair + 1, PersonMerge.revoked_at.is_(None)
        )
    ).one()
    split.split(merge_id=merge_id, by="bench", reason="bench")


def timed(low: int, high: int) -> None:
    def measured(what: str, pair: int, work: Callable[[int], None]) -> dict[str, object]:
        begun = time.perf_counter()
        run(lambda: work(pair))
        return {"what": what, "pair": pair, "ms": round(1000 * (time.perf_counter() - begun), 2)}

    for work in (together, apart):  # a first time, for what a process has to read and prepare once
        run(lambda work=work: work(low))  # type: ignore[misc]
    rows = []
    for pair in range(low + 1, high):
        rows += [measured("merge", pair, together), measured("split", pair, apart)]
    print(json.dumps(rows))


def many(low: int, high: int, rounds: int, progress: Path) -> None:
    """A chunk of pairs is merged one by one, then parted one by one; each is a transaction of its own."""
    done = int(progress.read_text()) if progress.exists() else 0
    chunks = [range(start, min(start + CHUNK, high)) for _ in range(rounds) for start in range(low, high, CHUNK)]
    for number, chunk in enumerate(chunks):
        if number < done:
            continue
        for work in (together, apart):
            for pair in chunk:
                run(lambda work=work, pair=pair: work(pair))  # type: ignore[misc]
        progress.write_text(str(number + 1))


def main() -> None:
    what, *numbers = sys.argv[1:]
    with app.app_context():
        if what == "timed":
            timed(int(numbers[0]), int(numbers[1]))
        elif what == "many":
            many(int(numbers[0]), int(numbers[1]), int(numbers[2]), Path(numbers[3]))
        else:
            print(json.dumps([one.name for one in run(lambda: doctor.examine("")) if one.count]))


if __name__ == "__main__":
    main()
