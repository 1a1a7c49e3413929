"""Tables of identity.

An identity row is a source record: it keeps the person it was first given to, for good. A merge only points the
loser's `merged_into` at the winner, so it can be revoked without anybody having to guess what belonged to whom. The
pointers are kept flat: a winner never points anywhere, so one hop always ends at the living person. The standing
merges (`revoked_at` NULL) are the edges of a forest; the flat pointers follow from them, before and after a split.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution

KINDS = ("unionid", "openid", "external_userid", "pending", "mobile", "card", "mall", "import", "staff")


class Person(Base):
    """A human across all brands of the group. The older id wins a merge, so pointers go down and cannot make a ring.

    `erased_at`: they were forgotten; the row has no id any more and nothing is written to it.
    """

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("merged_into < person_id", name="older_wins"),
        Index("ix_person_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        distribution("person_id"),
    )

    person_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    merged_into: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    erased_at: Mapped[datetime | None]


class IdentityRow(Base):
    """One known id. The key is what it is found by: for a mobile its blind index, with the number sealed beside it."""

    __tablename__ = "identity"
    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("(kind = 'mobile') = (sealed_value IS NOT NULL)", name="mobile_is_sealed"),
        Index("ix_identity_person_id", "person_id"),
        Index("ix_identity_correlation_id", "correlation_id"),
        distribution("value"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    sealed_value: Mapped[str | None]
    person_id: Mapped[int]
    source: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
    linked_at: Mapped[datetime] = mapped_column(default=clock.now)


class PersonMerge(Base):
    """One merge, as found: `evidence` says which ids brought the two together and who was folded into the loser.

    A split sets `revoked_at` and `revoked_by` (an actor of the audit log); nothing is deleted.
    """

    __tablename__ = "person_merge"
    __table_args__ = (
        Index("ix_person_merge_loser_id", "loser_id"),
        Index("ix_person_merge_winner_id", "winner_id"),
        Index("ix_person_merge_correlation_id", "correlation_id"),
        distribution("merge_id"),
    )

    merge_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    winner_id: Mapped[int]
    loser_id: Mapped[int]
    reason: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    merged_at: Mapped[datetime] = mapped_column(default=clock.now)
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class IdentityReview(Base):
    """Two persons whom some id would join and another keeps apart; a human decides. `brand_id` NULL: no one brand.

    `decided_by` is an actor of the audit log, `decision` their reason in their words. What was kept apart stays apart:
    a later link of the two answers with the standing review and merges nothing.
    """

    __tablename__ = "identity_review"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'merged', 'kept_apart')", name="status"),
        CheckConstraint("person_a < person_b", name="ordered"),
        CheckConstraint("(status = 'open') = (decided_at IS NULL)", name="decided"),
        Index("ix_identity_review_person_a", "person_a", "person_b"),
        Index("ix_identity_review_person_b", "person_b"),
        Index("ix_identity_review_status", "status", "id"),
        Index("ix_identity_review_correlation_id", "correlation_id"),
        distribution("id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    brand_id: Mapped[int | None]
    person_a: Mapped[int]
    person_b: Mapped[int]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    evidence: Mapped[dict[str, Any]]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class IdentityRelease(Base):
    """An id that left its person: a phone exchanged for another, or a number the operator gave to somebody else.

    Kind, namespace, value and sealed value are those of the identity row that was; `person_id` is whose it was.
    """

    __tablename__ = "identity_release"
    __table_args__ = (
        Index("ix_identity_release_kind", "kind", "namespace", "value"),
        Index("ix_identity_release_person_id", "person_id"),
        Index("ix_identity_release_correlation_id", "correlation_id"),
        distribution("release_id"),
    )

    release_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    kind: Mapped[str]
    namespace: Mapped[str]
    value: Mapped[str]
    sealed_value: Mapped[str | None]
    person_id: Mapped[int]
    reason: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    released_at: Mapped[datetime] = mapped_column(default=clock.now)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class PhoneClaim(Base):
    """Somebody proved to hold a phone that another person is known by, and was asked whether that person is them.

    `claimant_id` holds the phone now (as WeChat said), `holder_id` is known by it. `tries` counts proofs given.
    """

    __tablename__ = "phone_claim"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'merged', 'review', 'moved', 'closed')", name="status"),
        Index("ix_phone_claim_claimant_id", "claimant_id"),
        Index("ix_phone_claim_holder_id", "holder_id"),
        Index("ix_phone_claim_correlation_id", "correlation_id"),
        distribution("claim_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    claim_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    claimant_id: Mapped[int]
    holder_id: Mapped[int]
    value: Mapped[str]
    sealed_value: Mapped[str]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class ErasedIdentity(Base):
    """The tombstone of an id whose person was erased: callbacks, imports and histories must not bring it back.

    `digest` tells the id again without saying it (see queries.digest_of).
    """

    __tablename__ = "erased_identity"
    __table_args__ = (distribution("digest"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(default=clock.now)


class BlockedValue(Base):
    """A value that identifies nobody: a store's landline, a test number. Stored as it would be in `identity.value`.

    `shown` is what a list of them shows (a phone masked), `reason` why it is blocked.
    """

    __tablename__ = "blocked_value"
    __table_args__ = (distribution("reference"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    shown: Mapped[str] = mapped_column(server_default="")
    reason: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
