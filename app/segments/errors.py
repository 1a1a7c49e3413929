"""What can be wrong with a segment or a tag."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class SegmentUnknown(NotFound):
    code, message = "segment_unknown", "There is no such segment."


class SegmentInvalid(Invalid):
    """`at` in the data is the path of the node, `$.all[1].not`."""

    code, message = "segment_invalid", "The segment's rule is not valid."


class TagUnknown(NotFound):
    code, message = "tag_unknown", "There is no such tag."


class TagInvalid(Invalid):
    code, message = "tag_invalid", "Names of tags and groups have 1 to 30 characters, without a slash."


class TagExists(Conflict):
    code, message = "tag_exists", "The group has a tag of this name already, or the WeCom tag belongs to another one."
