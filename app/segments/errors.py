"""What can be wrong with a segment."""

from __future__ import annotations

from app.core.errors import Invalid, NotFound


class SegmentUnknown(NotFound):
    code, message = "segment_unknown", "There is no such segment."


class SegmentInvalid(Invalid):
    """`at` in the data is the path of the node, `$.all[1].not`."""

    code, message = "segment_invalid", "The segment's rule is not valid."
