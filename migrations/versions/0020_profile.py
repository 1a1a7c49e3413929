"""Tags, traits and history of members."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tag",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.BigInteger(), nullable=True),
        sa.Column("corp_tag_id", sa.Text(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('manual', 'rule', 'wecom')", name=op.f("ck_tag_kind")),
        sa.CheckConstraint("(kind = 'rule') = (segment_id IS NOT NULL)", name=op.f("ck_tag_rule_has_segment")),
        sa.PrimaryKeyConstraint("brand_id", "tag_id", name=op.f("pk_tag")),
        sa.UniqueConstraint("brand_id", "group_name", "name", name=op.f("uq_tag_brand_id_group_name_name")),
        sa.UniqueConstraint("brand_id", "corp_tag_id", name=op.f("uq_tag_brand_id_corp_tag_id")),
        sa.ForeignKeyConstraint(
            ["brand_id", "segment_id"],
            ["segment.brand_id", "segment.segment_id"],
            name=op.f("fk_tag_brand_id_segment_id"),
        ),
    )
    # Tags were names so far: each becomes a tag people put. Small ids never meet those the application makes.
    op.execute("""
        INSERT INTO tag (brand_id, tag_id, group_name, name, kind, created_at)
        SELECT brand_id, row_number() OVER (ORDER BY brand_id, tag), '', tag, 'manual', min(at)
        FROM member_tag GROUP BY brand_id, tag
    """)
    op.rename_table("member_tag", "member_tag_name")
    op.execute("ALTER TABLE member_tag_name RENAME CONSTRAINT pk_member_tag TO pk_member_tag_name")
    op.create_table(
        "member_tag",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", JSONB(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("origin_member_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("source IN ('manual', 'rule', 'wecom', 'import')", name=op.f("ck_member_tag_source")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "tag_id", name=op.f("pk_member_tag")),
    )
    op.execute("""
        INSERT INTO member_tag (brand_id, member_id, tag_id, held, source, said_by, at, evidence, correlation_id)
        SELECT old.brand_id, member_id, tag_id, true, CASE old.source WHEN 'import' THEN 'import' ELSE 'manual' END,
          old.source, old.at, '{}', ''
        FROM member_tag_name AS old JOIN tag ON tag.brand_id = old.brand_id AND tag.name = old.tag
    """)
    op.drop_table("member_tag_name")
    op.create_index(
        "ix_member_tag_held", "member_tag", ["brand_id", "tag_id", "member_id"], postgresql_where=sa.text("held")
    )
    op.create_table(
        "member_trait",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("orders_count", sa.BigInteger(), nullable=False),
        sa.Column("net_paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("avg_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunds", sa.BigInteger(), nullable=False),
        sa.Column("first_paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_store_id", sa.BigInteger(), nullable=True),
        sa.Column("favourite_category", sa.Text(), nullable=True),
        sa.Column("recency", sa.SmallInteger(), nullable=True),
        sa.Column("frequency", sa.SmallInteger(), nullable=True),
        sa.Column("monetary", sa.SmallInteger(), nullable=True),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "member_id", name=op.f("pk_member_trait")),
    )
    op.create_index("ix_member_trait_lifecycle", "member_trait", ["brand_id", "lifecycle", "member_id"])
    op.create_table(
        "trait_cut",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("cuts", JSONB(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "measure", name=op.f("pk_trait_cut")),
    )
    op.create_table(
        "home_store_history",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved_by", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id"],
            ["member.brand_id", "member.member_id"],
            name=op.f("fk_home_store_history_brand_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "from_at", name=op.f("pk_home_store_history")),
    )
    op.execute("""
        INSERT INTO home_store_history (brand_id, member_id, from_at, store_id, reason, moved_by, correlation_id)
        SELECT brand_id, member_id, joined_at, home_store_id, 'joined', source, correlation_id FROM member
        WHERE home_store_id IS NOT NULL
    """)


def downgrade() -> None:
    op.drop_table("home_store_history")
    op.drop_table("trait_cut")
    op.drop_table("member_trait")
    op.rename_table("member_tag", "member_tag_row")
    op.execute("ALTER TABLE member_tag_row RENAME CONSTRAINT pk_member_tag TO pk_member_tag_row")
    op.create_table(
        "member_tag",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "tag", name=op.f("pk_member_tag")),
    )
    op.execute("""
        INSERT INTO member_tag (brand_id, member_id, tag, source, at)
        SELECT row.brand_id, member_id, name, said_by, at FROM member_tag_row AS row
        JOIN tag ON tag.brand_id = row.brand_id AND tag.tag_id = row.tag_id WHERE held
        ON CONFLICT DO NOTHING
    """)
    op.drop_table("member_tag_row")
    op.create_index("ix_member_tag_tag", "member_tag", ["brand_id", "tag"])
    op.drop_table("tag")
