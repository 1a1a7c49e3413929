"""What can be wrong with an order."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class OrderMismatch(Invalid):
    code, message = "order_mismatch", "The order does not add up; data.field says where."


class OrderUnknown(NotFound):
    code, message = "order_unknown", "No order was uploaded under this number."


class LineNumberTwice(Invalid):
    code, message = "line_number_twice", "Two lines of the order have the same number."


class OrderChanged(Conflict):
    code, message = "order_changed", "An order with this number was recorded with other content."


class RefundTooMuch(Conflict):
    code, message = "refund_too_much", "More would go back than was paid; data says what is left."


class RefundChanged(Conflict):
    code, message = "refund_changed", "A refund with this number was recorded with other content."


class RefundLineUnknown(Invalid):
    code, message = "refund_line_unknown", "The order has no such line."
