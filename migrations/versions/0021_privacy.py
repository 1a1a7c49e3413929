"""Consent, masks and reveals, exports, erasure, retention and key rotation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_TRIGGER = """
CREATE TRIGGER consent_append_only BEFORE UPDATE OR DELETE ON consent
FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()
"""


def upgrade() -> None:
    op.create_table(
        "privacy_policy",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "version", name=op.f("pk_privacy_policy")),
    )
    op.create_table(
        "consent",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('any', 'miniapp', 'wecom', 'sms', 'call', 'mail')", name=op.f("ck_consent_channel")
        ),
        sa.CheckConstraint(
            "purpose IN ('service', 'marketing', 'profiling', 'group_sharing', 'third_party')",
            name=op.f("ck_consent_purpose"),
        ),
        sa.CheckConstraint(
            "source IN ('miniapp', 'till', 'sidebar', 'admin', 'import', 'wecom')", name=op.f("ck_consent_source")
        ),
        sa.CheckConstraint("NOT granted OR version IS NOT NULL", name=op.f("ck_consent_version")),
        sa.PrimaryKeyConstraint("brand_id", "person_id", "consent_id", name=op.f("pk_consent")),
        sa.UniqueConstraint(
            "brand_id", "person_id", "source", "ref", name=op.f("uq_consent_brand_id_person_id_source_ref")
        ),
    )
    op.create_index("ix_consent_correlation_id", "consent", ["correlation_id"], unique=False)
    op.create_index("ix_consent_person_id", "consent", ["person_id"], unique=False)
    op.create_table(
        "opt_out",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "channel IN ('any', 'miniapp', 'wecom', 'sms', 'call', 'mail')", name=op.f("ck_opt_out_channel")
        ),
        sa.CheckConstraint(
            "purpose IN ('service', 'marketing', 'profiling', 'group_sharing', 'third_party')",
            name=op.f("ck_opt_out_purpose"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "purpose", "channel", name=op.f("pk_opt_out")),
    )
    op.create_table(
        "reveal",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reveal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("field IN ('phone', 'name', 'birthday')", name=op.f("ck_reveal_field")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "reveal_id", name=op.f("pk_reveal")),
    )
    op.create_index("ix_reveal_actor", "reveal", ["brand_id", "actor", "at"], unique=False)
    op.create_index("ix_reveal_at", "reveal", ["at"], unique=False)
    op.create_index("ix_reveal_correlation_id", "reveal", ["correlation_id"], unique=False)
    op.create_table(
        "reveal_quota",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_reveal_quota_used")),
        sa.PrimaryKeyConstraint("brand_id", "actor", "day", name=op.f("pk_reveal_quota")),
    )
    op.create_table(
        "data_export",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("export_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("(status = 'ready') = (content IS NOT NULL)", name=op.f("ck_data_export_content")),
        sa.CheckConstraint("status IN ('asked', 'ready', 'expired')", name=op.f("ck_data_export_status")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "export_id", name=op.f("pk_data_export")),
    )
    op.create_index("ix_data_export_correlation_id", "data_export", ["correlation_id"], unique=False)
    op.create_index(
        "ix_data_export_expires",
        "data_export",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'ready'"),
    )
    op.create_table(
        "erasure",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("(status = 'done') = (done_at IS NOT NULL)", name=op.f("ck_erasure_done_at")),
        sa.CheckConstraint("status <> 'confirmed' OR due_at IS NOT NULL", name=op.f("ck_erasure_due_at")),
        sa.CheckConstraint("status IN ('asked', 'confirmed', 'cancelled', 'done')", name=op.f("ck_erasure_status")),
        sa.PrimaryKeyConstraint("brand_id", "person_id", "request_id", name=op.f("pk_erasure")),
    )
    op.create_index("ix_erasure_correlation_id", "erasure", ["correlation_id"], unique=False)
    op.create_index(
        "ix_erasure_due", "erasure", ["due_at"], unique=False, postgresql_where=sa.text("status = 'confirmed'")
    )
    op.create_index(
        "uq_erasure_open",
        "erasure",
        ["brand_id", "person_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('asked', 'confirmed')"),
    )
    op.create_table(
        "erased_membership",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "person_id", name=op.f("pk_erased_membership")),
    )
    op.create_table(
        "retention_policy",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.CheckConstraint("days > 0", name=op.f("ck_retention_policy_days")),
        sa.PrimaryKeyConstraint("brand_id", "kind", name=op.f("pk_retention_policy")),
    )
    op.create_table(
        "rekeying",
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("column", "key_id", name=op.f("pk_rekeying")),
    )

    op.execute(_TRIGGER)
    op.add_column("sop_run", sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("person", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("person", "erased_at")
    op.drop_column("sop_run", "refused")
    op.drop_table("rekeying")
    op.drop_table("retention_policy")
    op.drop_table("erased_membership")
    op.drop_table("erasure")
    op.drop_table("data_export")
    op.drop_table("reveal_quota")
    op.drop_table("reveal")
    op.drop_table("opt_out")
    op.drop_table("consent")
    op.drop_table("privacy_policy")
