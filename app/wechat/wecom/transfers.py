"""What became of customers given to another member (WeCom docs, path/94088, 94082)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .. import reply
from .topic import CONTACT, Topic


@dataclass(frozen=True)
class Transferred:
    """`status` 1 done, 2 waiting (24 hours), 3 the customer refused, 4 the takeover has too many, 5 unknown."""

    external_userid: str
    status: int
    taken_over_at: datetime | None


@dataclass(frozen=True)
class TransferPage:
    rows: tuple[Transferred, ...]
    next_cursor: str | None


class Transfers(Topic):
    def transfer_result(
        self, *, handover: str, takeover: str, resigned: bool = False, cursor: str = ""
    ) -> TransferPage:
        """Customers given by one member to another, up to 1,000 a page; `resigned`: the first has left the corp."""
        path = CONTACT + ("resigned/transfer_result" if resigned else "transfer_result")
        body = {"handover_userid": handover, "takeover_userid": takeover, "cursor": cursor}
        answer = self.client.post(path, body, repeatable=True)
        rows = tuple(
            Transferred(
                reply.text(row, "external_userid"), reply.number(row, "status"), reply.moment(row, "takeover_time")
            )
            for row in reply.listing(answer, "customer")
        )
        return TransferPage(rows, reply.optional_text(answer, "next_cursor"))
