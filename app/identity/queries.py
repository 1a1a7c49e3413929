"""Reads of identity. Person ids that go out are always those of living persons: merges are followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, or_, select, tuple_

from app.core import crypto
from app.core.db import session

from .models import BlockedValue, ErasedIdentity, IdentityReview, IdentityRow, Person
from .rules import SEAL_CONTEXT, Identity, is_blocked

_ROOT = func.coalesce(Person.merged_into, Person.person_id)


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


def resolve(person_id: int) -> int:
    """The living person behind a person id, however often it was merged. Unknown ids resolve to themselves."""
    found = session.scalar(select(_ROOT).where(Person.person_id == person_id))
    return person_id if found is None else found


def all_ids_of(person_id: int) -> list[int]:
    """The person ids that mean this person: the living one first, then those merged into it."""
    root = resolve(person_id)
    merged = session.scalars(select(Person.person_id).where(Person.merged_into == root).order_by(Person.person_id))
    return [root, *merged]


def keys_of(person_ids: Sequence[int]) -> dict[int, set[tuple[str, str, str]]]:
    """The stored keys of living persons, each with what was merged into it."""
    rows = session.execute(
        select(_ROOT, IdentityRow.kind, IdentityRow.namespace, IdentityRow.value)
        .join(Person, Person.person_id == IdentityRow.person_id)
        .where(or_(Person.person_id.in_(person_ids), Person.merged_into.in_(person_ids)))
    )
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
    return [Identity(row.kind, row.namespace, _plain(row.value, row.sealed_value)) for row in rows]  # type: ignore[arg-type]


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
    listed = {(one.kind, one.namespace, digest_of(one)): one for one in ids}
    key = tuple_(ErasedIdentity.kind, ErasedIdentity.namespace, ErasedIdentity.digest)
    rows = session.execute(
        select(ErasedIdentity.kind, ErasedIdentity.namespace, ErasedIdentity.digest).where(key.in_(list(listed)))
    )
    found = [listed[kind, namespace, digest] for kind, namespace, digest in rows]
    owned = owners([one.key for one in found]) if found else {}
    return [one for one in found if one.key not in owned]


def open_review(person_id: int, other_id: int) -> int | None:
    """The open review about two persons, if there is one."""
    low, high = sorted((person_id, other_id))
    return session.scalar(
        select(IdentityReview.id)
        .where(IdentityReview.person_a == low, IdentityReview.person_b == high, IdentityReview.status == "open")
        .limit(1)
    )


def _plain(value: str, sealed: str | None) -> str:
    return value if sealed is None else crypto.decrypt(sealed, context=SEAL_CONTEXT)
