"""What an order is and when it adds up. Money in fen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from .errors import OrderMismatch

CLOCK_SKEW = timedelta(minutes=10)
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # earlier is a till without a clock, and the first years break arithmetic


@dataclass(frozen=True, kw_only=True)
class LineData:
    """One line: `amount_fen` = `unit_fen` x `quantity` before discount, `discount_fen` is the whole line's."""

    line_no: int
    sku: str
    name: str
    category: str
    quantity: int
    unit_fen: int
    amount_fen: int
    discount_fen: int = 0

    @property
    def paid_fen(self) -> int:
        return self.amount_fen - self.discount_fen


@dataclass(frozen=True, kw_only=True)
class OrderData:
    """An order as its source reports it. `(source, order_no)` names it within the brand; `channel` is till or mall."""

    source: str
    order_no: str
    store_id: int
    guide_id: int | None = None
    channel: str = "till"
    paid_at: datetime
    lines: tuple[LineData, ...]

    @property
    def total_fen(self) -> int:
        return sum(line.amount_fen for line in self.lines)

    @property
    def discount_fen(self) -> int:
        return sum(line.discount_fen for line in self.lines)

    @property
    def paid_fen(self) -> int:
        return self.total_fen - self.discount_fen


def source_of(channel: str, store: str) -> str:
    """Under which source a store's till or mall uploads its orders: each numbers them for itself."""
    return f"{channel}:{store}"


def check(order: OrderData, *, now: datetime, totals: Mapping[str, int] | None = None) -> None:
    """Raise OrderMismatch naming the first field that is wrong.

    `totals` are the sums the source stated (total_fen, discount_fen, paid_fen), each checked against the lines.
    """
    if not order.lines:
        raise OrderMismatch("An order has at least one line.", field="lines")
    if order.paid_at > now + CLOCK_SKEW:
        raise OrderMismatch("The order was paid in the future.", field="paid_at")
    if order.paid_at < EARLIEST:
        raise OrderMismatch("The order was paid before there were tills.", field="paid_at")
    seen: set[int] = set()
    for index, line in enumerate(order.lines):
        if line.line_no in seen:
            raise OrderMismatch("Two lines have one number.", field=f"lines[{index}].line_no")
        seen.add(line.line_no)
        if line.unit_fen * line.quantity != line.amount_fen:
            raise OrderMismatch("Unit price times quantity is not the amount.", field=f"lines[{index}].amount_fen")
        if not 0 <= line.discount_fen <= line.amount_fen:
            raise OrderMismatch("The discount is more than the amount.", field=f"lines[{index}].discount_fen")
    for field, stated in (totals or {}).items():
        if getattr(order, field) != stated:
            raise OrderMismatch("The stated sum is not the sum of the lines.", field=field)


def check_discounts(order: OrderData, redeemed: Mapping[int, int]) -> None:
    """Each line's discount must hold what coupons gave on it (`redeemed`: line_no -> fen)."""
    lines = {line.line_no: (index, line) for index, line in enumerate(order.lines)}
    for line_no, fen in redeemed.items():
        if line_no not in lines:
            raise OrderMismatch(f"A redemption was made on line {line_no}, which is not there.", field="lines")
        index, line = lines[line_no]
        if line.discount_fen < fen:
            raise OrderMismatch(
                "The discount is less than what the redeemed coupons gave.", field=f"lines[{index}].discount_fen"
            )


def content_hash(order: OrderData, member_id: int | None) -> bytes:
    """A digest of everything an order says: equal for a repeated upload, different for a changed one."""
    content = asdict(order) | {"member_id": member_id, "paid_at": order.paid_at.astimezone(UTC).isoformat()}
    content["lines"] = sorted(content["lines"], key=lambda line: line["line_no"])
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).digest()
