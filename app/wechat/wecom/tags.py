"""The corp's library of customer tags (WeCom docs, path/92117)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import reply
from .topic import CONTACT, Topic


@dataclass(frozen=True)
class Tag:
    id: str
    name: str
    order: int
    created_at: datetime | None
    deleted: bool  # only told when the tag was asked for by its id


@dataclass(frozen=True)
class TagGroup:
    id: str
    name: str
    order: int
    created_at: datetime | None
    deleted: bool
    tags: tuple[Tag, ...]


class Tags(Topic):
    def corp_tags(self, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()) -> tuple[TagGroup, ...]:
        """The whole library in one answer, or what is asked for by id (`group_ids` wins); no strategy tags."""
        body: dict[str, Any] = {}
        if group_ids:
            body["group_id"] = list(group_ids)
        elif tag_ids:
            body["tag_id"] = list(tag_ids)
        answer = self.client.post(CONTACT + "get_corp_tag_list", body, repeatable=True)
        return tuple(_group(row) for row in reply.listing(answer, "tag_group"))


def _group(row: dict[str, Any]) -> TagGroup:
    return TagGroup(
        id=reply.text(row, "group_id"),
        name=reply.optional_text(row, "group_name") or "",
        order=reply.number(row, "order"),
        created_at=reply.moment(row, "create_time"),
        deleted=row.get("deleted") is True,
        tags=tuple(
            Tag(
                id=reply.text(tag, "id"),
                name=reply.optional_text(tag, "name") or "",
                order=reply.number(tag, "order"),
                created_at=reply.moment(tag, "create_time"),
                deleted=tag.get("deleted") is True,
            )
            for tag in reply.listing(row, "tag")
        ),
    )
