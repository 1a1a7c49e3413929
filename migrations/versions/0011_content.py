"""Tables of content."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "material",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("material_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("link_url", sa.Text(), nullable=True),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('text', 'image', 'link', 'miniprogram')", name=op.f("ck_material_kind")),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_material_status")),
        sa.PrimaryKeyConstraint("brand_id", "material_id", name=op.f("pk_material")),
        sa.UniqueConstraint("brand_id", "code", name=op.f("uq_material_brand_id_code")),
    )
    op.create_table(
        "material_override",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("material_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("store_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("brand_id", "material_id", "store_id", name=op.f("pk_material_override")),
    )


def downgrade() -> None:
    op.drop_table("material_override")
    op.drop_table("material")
