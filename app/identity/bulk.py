"""Ids by the thousand: who they belong to, which of them identify nobody, and new persons for those that are free.

The rules are those of `commands.link`. Only what cannot clash is written here: ids that nobody has, told of one human
each. Everything else goes through `link`, one human at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from app.core import bulk, clock, context, crypto, ids

from .errors import PhoneInvalid
from .rules import SEAL_CONTEXT, Identity, normal_phone

_PLAIN_MOBILE = re.compile(r"1[3-9][0-9]{9}")

_OWNERS = """
    SELECT s.key, coalesce(p.merged_into, p.person_id)
    FROM staged_id s
    JOIN identity i ON i.kind = s.kind AND i.namespace = s.namespace AND i.value = s.value
    JOIN person p ON p.person_id = i.person_id
"""
_BLOCKED = "SELECT s.key FROM staged_id s JOIN blocked_value b ON b.kind = s.kind AND b.value = s.value"
_ENTOMBED = """
    SELECT s.key FROM staged_id s
    JOIN erased_identity e ON e.kind = s.kind AND e.namespace = s.namespace AND e.digest = s.digest
"""
_TAKE = """
    INSERT INTO identity (kind, namespace, value, sealed_value, person_id, source, evidence, correlation_id, linked_at)
    SELECT kind, namespace, value, sealed_value, person_id, source, evidence::jsonb, correlation_id, linked_at
    FROM staged_identity ORDER BY kind, namespace, value
    ON CONFLICT DO NOTHING
"""


def mobile_key(phone: str) -> str | None:
    """The stored key of a phone number in any usual spelling; None for what is no phone."""
    if not _PLAIN_MOBILE.fullmatch(phone):
        try:
            phone = normal_phone(phone)
        except PhoneInvalid:
            return None
    return crypto.blind_index("mobile", phone).hex()


def stage(keys: Sequence[tuple[str, str, str]], digests: Sequence[str] | None = None) -> None:
    """Put stored keys into the temporary table `staged_id`, numbered by their place (column `key`)."""
    columns = {
        "key": pa.array(range(len(keys)), pa.int64()),
        "kind": pa.array([key[0] for key in keys], pa.string()),
        "namespace": pa.array([key[1] for key in keys], pa.string()),
        "value": pa.array([key[2] for key in keys], pa.string()),
    }
    if digests is not None:
        columns["digest"] = pa.array(digests, pa.string())
    # In the order of the index they are looked up in, so that neighbours are found together.
    bulk.stage("staged_id", pa.table(columns).sort_by([("kind", "ascending"), ("value", "ascending")]))


def owners() -> dict[int, int]:
    """Of what is staged, by place: the living persons the keys belong to."""
    return dict(bulk.fetch(_OWNERS))


def blocked() -> set[int]:
    """Of what is staged, by place: keys on the list of blocked values."""
    return {row[0] for row in bulk.fetch(_BLOCKED)}


def entombed() -> set[int]:
    """Of what is staged with digests, by place: ids of persons who were erased."""
    return {row[0] for row in bulk.fetch(_ENTOMBED)}


def found(groups: Sequence[Sequence[Identity]], *, source: str) -> list[int] | None:
    """A new person for each group of ids that nobody has; None when somebody has one of them by now."""
    moment, correlation = clock.now(), context.correlation_id()
    persons = ids.new_ids(len(groups))
    kind = pa.timestamp("us", "UTC")
    at = pa.scalar(moment, kind)
    bulk.copy(
        "person", pa.table({"person_id": pa.array(persons, pa.int64()), "created_at": pa.repeat(at, len(persons))})
    )
    rows = [(one, person) for group, person in zip(groups, persons, strict=True) for one in group]
    keys = [one.key for one, _ in rows]
    sealed = [crypto.encrypt(one.value, context=SEAL_CONTEXT) if one.kind == "mobile" else None for one, _ in rows]
    bulk.stage(
        "staged_identity",
        pa.table(
            {
                "kind": pa.array([key[0] for key in keys], pa.string()),
                "namespace": pa.array([key[1] for key in keys], pa.string()),
                "value": pa.array([key[2] for key in keys], pa.string()),
                "sealed_value": pa.array(sealed, pa.string()),
                "person_id": pa.array([person for _, person in rows], pa.int64()),
                "source": pa.repeat(source, len(rows)),
                "evidence": pa.repeat("{}", len(rows)),
                "correlation_id": pa.repeat(correlation, len(rows)),
                "linked_at": pa.repeat(at, len(rows)),
            }
        ),
    )
    return persons if bulk.execute(_TAKE) == len(rows) else None


def any_erased() -> bool:
    """Whether anybody was ever erased: without that nobody needs the digest of every id."""
    return bool(bulk.fetch("SELECT FROM erased_identity LIMIT 1"))
