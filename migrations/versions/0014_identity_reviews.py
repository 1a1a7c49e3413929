"""Reviews, rebinding and merged members."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_KINDS = "'unionid', 'openid', 'external_userid', 'pending', 'mobile', 'card', 'mall', 'import', 'staff'"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_identity_kind"), "identity", type_="check")
    op.create_check_constraint(op.f("ck_identity_kind"), "identity", f"kind IN ({_KINDS})")
    op.add_column("person_merge", sa.Column("revoked_by", sa.Text(), nullable=True))

    op.add_column("identity_review", sa.Column("decided_by", sa.Text(), nullable=True))
    op.add_column("identity_review", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("identity_review", sa.Column("decision", sa.Text(), nullable=True))
    op.execute("UPDATE identity_review SET decided_at = created_at WHERE status <> 'open'")
    op.create_check_constraint(
        op.f("ck_identity_review_decided"), "identity_review", "(status = 'open') = (decided_at IS NULL)"
    )
    op.drop_index("ix_identity_review_open", "identity_review")
    op.create_index("ix_identity_review_person_a", "identity_review", ["person_a", "person_b"])
    op.create_index("ix_identity_review_person_b", "identity_review", ["person_b"])
    op.create_index("ix_identity_review_status", "identity_review", ["status", "id"])

    op.add_column("blocked_value", sa.Column("shown", sa.Text(), server_default="", nullable=False))
    op.add_column("blocked_value", sa.Column("reason", sa.Text(), server_default="", nullable=False))

    op.create_table(
        "identity_release",
        sa.Column("release_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("sealed_value", sa.Text(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_identity_release")),
    )
    op.create_index("ix_identity_release_kind", "identity_release", ["kind", "namespace", "value"])
    op.create_index("ix_identity_release_person_id", "identity_release", ["person_id"])
    op.create_index("ix_identity_release_correlation_id", "identity_release", ["correlation_id"])

    op.create_table(
        "phone_claim",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("claim_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("claimant_id", sa.BigInteger(), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("sealed_value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status IN ('open', 'merged', 'review', 'moved', 'closed')", name=op.f("ck_phone_claim_status")
        ),
        sa.PrimaryKeyConstraint("brand_id", "claim_id", name=op.f("pk_phone_claim")),
    )
    op.create_index("ix_phone_claim_claimant_id", "phone_claim", ["claimant_id"])
    op.create_index("ix_phone_claim_holder_id", "phone_claim", ["holder_id"])
    op.create_index("ix_phone_claim_correlation_id", "phone_claim", ["correlation_id"])

    op.create_table(
        "erased_identity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "namespace", "digest", name=op.f("pk_erased_identity")),
    )

    op.add_column("member", sa.Column("origin_person_id", sa.BigInteger(), nullable=True))
    op.add_column("member", sa.Column("merged_into", sa.BigInteger(), nullable=True))
    op.add_column("member", sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_member_status"), "member", type_="check")
    op.create_check_constraint(op.f("ck_member_status"), "member", "status IN ('active', 'frozen', 'erased', 'merged')")
    op.create_check_constraint(
        op.f("ck_member_merged_points"), "member", "(status = 'merged') = (merged_into IS NOT NULL)"
    )
    op.create_index(
        "ix_member_merged_into",
        "member",
        ["brand_id", "merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "member_merge",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merge_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("winner_id", sa.BigInteger(), nullable=False),
        sa.Column("loser_id", sa.BigInteger(), nullable=False),
        sa.Column("person_merge_id", sa.BigInteger(), nullable=False),
        sa.Column("kept", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "merge_id", name=op.f("pk_member_merge")),
    )
    op.create_index("ix_member_merge_winner_id", "member_merge", ["brand_id", "winner_id"])
    op.create_index("ix_member_merge_loser_id", "member_merge", ["brand_id", "loser_id"])
    op.create_index("ix_member_merge_person_merge_id", "member_merge", ["person_merge_id"])
    op.create_index("ix_member_merge_correlation_id", "member_merge", ["correlation_id"])


def downgrade() -> None:
    op.drop_table("member_merge")
    op.drop_index("ix_member_merged_into", "member")
    op.drop_constraint(op.f("ck_member_merged_points"), "member", type_="check")
    op.drop_constraint(op.f("ck_member_status"), "member", type_="check")
    op.create_check_constraint(op.f("ck_member_status"), "member", "status IN ('active', 'frozen', 'erased')")
    op.drop_column("member", "merged_at")
    op.drop_column("member", "merged_into")
    op.drop_column("member", "origin_person_id")
    op.drop_table("erased_identity")
    op.drop_table("phone_claim")
    op.drop_table("identity_release")
    op.drop_column("blocked_value", "reason")
    op.drop_column("blocked_value", "shown")
    op.drop_index("ix_identity_review_status", "identity_review")
    op.drop_index("ix_identity_review_person_b", "identity_review")
    op.drop_index("ix_identity_review_person_a", "identity_review")
    op.create_index(
        "ix_identity_review_open",
        "identity_review",
        ["person_a", "person_b"],
        postgresql_where=sa.text("status = 'open'"),
    )
    op.drop_constraint(op.f("ck_identity_review_decided"), "identity_review", type_="check")
    op.drop_column("identity_review", "decision")
    op.drop_column("identity_review", "decided_at")
    op.drop_column("identity_review", "decided_by")
    op.drop_column("person_merge", "revoked_by")
    op.drop_constraint(op.f("ck_identity_kind"), "identity", type_="check")
    op.create_check_constraint(
        op.f("ck_identity_kind"),
        "identity",
        "kind IN ('unionid', 'openid', 'external_userid', 'mobile', 'card', 'import')",
    )
