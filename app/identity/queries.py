"""Reads of identity. Person ids that go out are always those of living persons: merges are followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, func, or_, select, text, tuple_

from app.core import crypto
from app.core.db import session

from .models import (
    BlockedValue,
    ErasedIdentity,
    IdentityRelease,
    IdentityReview,
    IdentityRow,
    Person,
    PersonMerge,
    PhoneClaim,
)
from .rules import SEAL_CONTEXT, Identity, is_blocked

_ROOT = func.coalesce(Person.merged_into, Person.person_id)

# Asked several times by every write about a person, so they are text: nothing is built anew for each call.
_RESOLVE = text("SELECT coalesce(merged_into, person_id) FROM person WHERE person_id = :person_id")
_LIVING = text("""
SELECT p.person_id, root.person_id AS root_id, root.erased_at IS NOT NULL AS erased
FROM person p JOIN person root ON root.person_id = coalesce(p.merged_into, p.person_id)
WHERE p.person_id = ANY (CAST(:people AS bigint[]))
""")
_ALL_IDS = text("""
WITH root AS (SELECT coalesce(merged_into, person_id) AS person_id FROM person WHERE person_id = :person_id)
SELECT person_id, 0 AS part FROM root
UNION ALL SELECT p.person_id, 1 FROM person p JOIN root ON p.merged_into = root.person_id
ORDER BY part, person_id
""")
_MEANT = text("""
SELECT person_id, coalesce(merged_into, person_id) AS root_id FROM person
WHERE person_id = ANY (CAST(:people AS bigint[])) OR merged_into = ANY (CAST(:people AS bigint[]))
""")
_KEYS = text("""
SELECT coalesce(p.merged_into, p.person_id) AS root_id, i.kind, i.namespace, i.value
FROM person p JOIN identity i ON i.person_id = p.person_id
WHERE p.person_id = ANY (CAST(:people AS bigint[])) OR p.merged_into = ANY (CAST(:people AS bigint[]))
""")

_FIRST_OWNERS = text("""
SELECT namespace, value, person_id FROM identity WHERE person_id = ANY (CAST(:people AS bigint[])) AND kind = :kind
""")
_EDGES = text("""
SELECT loser_id, winner_id FROM person_merge
WHERE loser_id = ANY (CAST(:people AS bigint[])) AND revoked_at IS NULL
""")


def person_of(identity: Identity) -> int | None:
    """The person an id belongs to, or None."""
    return owners([identity.key]).get(identity.key)


def owners(keys: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], int]:
    """The persons that own stored keys; keys nobody owns are missing from the answer."""
    rows = session.execute(
        select(IdentityRow.kind, IdentityRow.namespace, IdentityRow.value, _ROOT)
        .join(Person, Person.person_id == IdentityRow.person_id)
        .where(tuple_(IdentityRow.kind, IdentityRow.namespace, IdentityRow.value).in_(list(keys)))
    )
    return {(kind, namespace, value): person_id for kind, namespace, value, person_id in rows}


def given_to(identity: Identity) -> int | None:
    """The person an id was given to, who may have been merged since: after a split the id is theirs again."""
    kind, namespace, value = identity.key
    return session.scalar(
        select(IdentityRow.person_id).where(
            IdentityRow.kind == kind, IdentityRow.namespace == namespace, IdentityRow.value == value
        )
    )


def resolve(person_id: int) -> int:
    """The living person behind a person id, however often it was merged. Unknown ids resolve to themselves."""
    found: int | None = session.scalar(_RESOLVE, {"person_id": person_id})
    return person_id if found is None else found


def is_erased(person_id: int) -> bool:
    """Whether the person behind a living person's id was forgotten."""
    return session.scalar(select(Person.erased_at).where(Person.person_id == person_id)) is not None


def living(person_ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """The person behind each of some ids, and whether they were forgotten. Unknown ids are missing from the answer."""
    return {row.person_id: (row.root_id, row.erased) for row in session.execute(_LIVING, {"people": list(person_ids)})}


def all_ids_of(person_id: int) -> list[int]:
    """The person ids that mean this person: the living one first, then those merged into it."""
    return [row.person_id for row in session.execute(_ALL_IDS, {"person_id": person_id})] or [person_id]


def living_by_id(person_ids: Sequence[int]) -> dict[int, int]:
    """Every person id that means one of these living persons, with that living person."""
    rows = session.execute(_MEANT, {"people": list(person_ids)})
    return {row.person_id: row.root_id for row in rows}


def keys_of(person_ids: Sequence[int]) -> dict[int, set[tuple[str, str, str]]]:
    """The stored keys of living persons, each with what was merged into it."""
    rows = session.execute(_KEYS, {"people": list(person_ids)})
    found: dict[int, set[tuple[str, str, str]]] = {person_id: set() for person_id in person_ids}
    for root, kind, namespace, value in rows:
        found.setdefault(root, set()).add((kind, namespace, value))
    return found


def identities_of(person_id: int) -> list[Identity]:
    """Every id of a person, oldest first; mobiles are opened."""
    rows = session.scalars(
        select(IdentityRow)
        .where(IdentityRow.person_id.in_(all_ids_of(person_id)))
        .order_by(IdentityRow.linked_at, IdentityRow.kind, IdentityRow.value)
    )
    return [plain(row) for row in rows]


def first_owners(kind: str, person_ids: Sequence[int]) -> dict[tuple[str, str], int]:
    """The ids of a kind that were given to these very persons, (namespace, value) -> person; not for mobiles."""
    rows = session.execute(_FIRST_OWNERS, {"people": list(person_ids), "kind": kind})
    return {(row.namespace, row.value): row.person_id for row in rows}


def values_of(person_id: int, kind: str, namespace: str) -> list[str]:
    """A person's ids of a kind in a namespace (for example the openids of an appid), newest first."""
    rows = session.execute(
        select(IdentityRow.value, IdentityRow.sealed_value)
        .where(
            IdentityRow.person_id.in_(all_ids_of(person_id)),
            IdentityRow.kind == kind,
            IdentityRow.namespace == namespace,
        )
        .order_by(IdentityRow.linked_at.desc(), IdentityRow.value)
    )
    return [_plain(value, sealed) for value, sealed in rows]


def phone_of(person_id: int) -> str | None:
    """The phone number a person bound last, in plain: mask it before a guide sees it, and never log it."""
    return next(iter(values_of(person_id, "mobile", "")), None)


def refused(ids: Iterable[Identity]) -> list[Identity]:
    """Those of the ids that identify nobody, by their looks or by the list of blocked values."""
    listed = {identity: identity.key for identity in ids}
    pairs = [(kind, value) for kind, _, value in listed.values()]
    blocked = {
        (kind, value)
        for kind, value in session.execute(
            select(BlockedValue.kind, BlockedValue.value).where(
                tuple_(BlockedValue.kind, BlockedValue.value).in_(pairs)
            )
        )
    }
    return [one for one, (kind, _, value) in listed.items() if is_blocked(one) or (kind, value) in blocked]


def digest_of(identity: Identity) -> str:
    """What a tombstone keeps of an id: enough to know it again, too little to read it."""
    return crypto.blind_index(f"erased.{identity.kind}@{identity.namespace}", identity.value).hex()


def erased(ids: Iterable[Identity]) -> list[Identity]:
    """Those of the ids that belonged to an erased person and belong to nobody since."""
    listed: dict[tuple[str, str, str], Identity] = {(one.kind, one.namespace, digest_of(one)): one for one in ids}
    key = tuple_(ErasedIdentity.kind, ErasedIdentity.namespace, ErasedIdentity.digest)
    rows = session.execute(
        select(ErasedIdentity.kind, ErasedIdentity.namespace, ErasedIdentity.digest).where(key.in_(list(listed)))
    )
    found = [listed[kind, namespace, digest] for kind, namespace, digest in rows]
    owned = owners([one.key for one in found]) if found else {}
    return [one for one in found if one.key not in owned]


def erased_at(identity: Identity) -> datetime | None:
    """When the person of an id was erased, if nobody has come back with it since: what was done later they did."""
    if not erased([identity]):
        return None
    return session.scalar(
        select(ErasedIdentity.erased_at).where(
            ErasedIdentity.kind == identity.kind,
            ErasedIdentity.namespace == identity.namespace,
            ErasedIdentity.digest == digest_of(identity),
        )
    )


def review(review_id: int) -> IdentityReview | None:
    """The review, read afresh."""
    return session.get(IdentityReview, review_id, populate_existing=True)


def between(
    ones: Sequence[int] | BindParameter[Any], others: Sequence[int] | BindParameter[Any]
) -> ColumnElement[bool]:
    """The condition on reviews that they are about a person id of one group and one of another."""
    low, high = IdentityReview.person_a, IdentityReview.person_b
    return or_(and_(low.in_(ones), high.in_(others)), and_(low.in_(others), high.in_(ones)))


def standing_review(
    person_id: int, other_id: int, *, statuses: Sequence[str] = ("kept_apart", "open")
) -> IdentityReview | None:
    """What keeps two persons apart, whichever of their ids it names: a decision before an open case."""
    return session.scalar(
        select(IdentityReview)
        .where(between(all_ids_of(person_id), all_ids_of(other_id)), IdentityReview.status.in_(statuses))
        .order_by(IdentityReview.status, IdentityReview.id)
        .limit(1)
    )


def kept_apart(person_id: int, other_id: int) -> bool:
    """Whether a human decided that two persons are two."""
    standing = standing_review(person_id, other_id)
    return standing is not None and standing.status == "kept_apart"


def merge_record(merge_id: int) -> PersonMerge | None:
    """One merge, standing or taken back."""
    return session.get(PersonMerge, merge_id, populate_existing=True)


def merges_of(person_id: int) -> list[PersonMerge]:
    """The merges that made a person what it is, and those of it that were taken back; newest first."""
    everyone = all_ids_of(person_id)
    return list(
        session.scalars(
            select(PersonMerge)
            .where(or_(PersonMerge.loser_id.in_(everyone), PersonMerge.winner_id.in_(everyone)))
            .order_by(PersonMerge.merge_id.desc())
        )
    )


def standing_edges(person_ids: Sequence[int]) -> list[tuple[int, int]]:
    """(loser, winner) of the standing merges in which one of these persons lost."""
    rows = session.execute(_EDGES, {"people": list(person_ids)})
    return [(row.loser_id, row.winner_id) for row in rows]


def claim(brand_id: int, claim_id: int) -> PhoneClaim | None:
    """The claim, read afresh."""
    return session.get(PhoneClaim, (brand_id, claim_id), populate_existing=True)


def claimed_number(row: PhoneClaim) -> Identity:
    """The phone a claim is about, in plain."""
    return Identity("mobile", "", crypto.decrypt(row.sealed_value, context=SEAL_CONTEXT))


def tries_since(holder_id: int, since: datetime) -> int:
    """How many proofs anybody gave to be this person since a moment."""
    statement = select(func.coalesce(func.sum(PhoneClaim.tries), 0)).where(
        PhoneClaim.holder_id.in_(all_ids_of(holder_id)), PhoneClaim.created_at >= since
    )
    return int(session.scalar(statement) or 0)


def releases_of(identity: Identity, *, reason: str, since: datetime) -> int:
    """How often an id left a person for a reason since a moment."""
    kind, namespace, value = identity.key
    statement = select(func.count()).where(
        IdentityRelease.kind == kind,
        IdentityRelease.namespace == namespace,
        IdentityRelease.value == value,
        IdentityRelease.reason == reason,
        IdentityRelease.released_at >= since,
    )
    return session.scalar(statement) or 0


def last_told(person_id: int, kinds: Sequence[str]) -> datetime | None:
    """When an id of one of the kinds was last given to a person."""
    return session.scalar(
        select(func.max(IdentityRow.linked_at)).where(
            IdentityRow.person_id.in_(all_ids_of(person_id)), IdentityRow.kind.in_(kinds)
        )
    )


def blocked_values(*, after: tuple[str, str] | None = None, limit: int = 100) -> list[BlockedValue]:
    """Values that identify nobody by decision, by kind and stored value."""
    key = tuple_(BlockedValue.kind, BlockedValue.value)
    statement = select(BlockedValue).order_by(BlockedValue.kind, BlockedValue.value).limit(limit)
    return list(session.scalars(statement if after is None else statement.where(key > after)))


def plain(row: IdentityRow) -> Identity:
    """The id a row holds, with a mobile opened."""
    return Identity(row.kind, row.namespace, _plain(row.value, row.sealed_value))  # type: ignore[arg-type]


def _plain(value: str, sealed: str | None) -> str:
    return value if sealed is None else crypto.decrypt(sealed, context=SEAL_CONTEXT)
