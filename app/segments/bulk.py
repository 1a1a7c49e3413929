"""Tags of a file: put on where no person has spoken (see `tagging`), many members at once, without an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from app.core import bulk, clock, context, ids

_DEFINE = """
    INSERT INTO tag (brand_id, tag_id, group_name, name, kind, created_at)
    SELECT %(brand_id)s, tag_id, '', name, 'manual', %(at)s FROM staged_tag ORDER BY name
    ON CONFLICT DO NOTHING
"""
# The condition is `tagging.OVERRIDES[True, "import"]`: an import comes after a rule that took off, and nobody else.
_PUT = """
    INSERT INTO member_tag AS old (brand_id, member_id, tag_id, held, source, said_by, at, evidence, correlation_id)
    SELECT %(brand_id)s, s.member_id, t.tag_id, true, 'import', %(said_by)s, %(at)s, '{}', %(correlation_id)s
    FROM staged_member_tag s
    JOIN tag t ON t.brand_id = %(brand_id)s AND t.name = s.name AND t.group_name = '' AND t.retired_at IS NULL
    ORDER BY s.member_id, t.tag_id
    ON CONFLICT (brand_id, member_id, tag_id) DO UPDATE
    SET held = true, source = 'import', said_by = excluded.said_by, at = excluded.at,
        correlation_id = excluded.correlation_id
    WHERE NOT old.held AND old.source = 'rule' AND old.at <= excluded.at
    RETURNING member_id
"""


def put_all(*, brand_id: int, tags: Mapping[int, Sequence[str]], said_by: str) -> set[int]:
    """Put tags on members by name (member id -> names); a name that is new becomes a tag. Returns who got one."""
    pairs = sorted({(member, name) for member, names in tags.items() for name in names})
    if not pairs:
        return set()
    now = clock.now()
    names = sorted({name for _, name in pairs})
    bulk.stage("staged_tag", pa.table({"tag_id": ids.new_ids(len(names)), "name": names}))
    bulk.execute(_DEFINE, {"brand_id": brand_id, "at": now})
    bulk.stage(
        "staged_member_tag",
        pa.table({"member_id": [member for member, _ in pairs], "name": [name for _, name in pairs]}),
    )
    told = {"brand_id": brand_id, "said_by": said_by, "at": now, "correlation_id": context.correlation_id()}
    return {row[0] for row in bulk.fetch(_PUT, told)}
