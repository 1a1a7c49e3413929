"""Events of imports."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class ChunkDue(Event):
    """An uploaded import waits to go on with the rows after number `after`."""

    name = "imports.chunk_due"

    job_id: int
    after: int


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """All rows of a file were dealt with. `kind`: stores, guides, members, orders, order_lines or refunds.

    Whose orders changed is found by `sales_order.import_id` = `job_id`, or by the job's correlation id.
    """

    name = "imports.finished"

    job_id: int
    kind: str
    created: int
    updated: int
