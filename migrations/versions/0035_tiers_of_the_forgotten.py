"""Who was forgotten before tiers ended with that stands on none from now on."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        UPDATE member_tier t SET valid_to = greatest(now(), t.valid_from + interval '1 microsecond')
        FROM member m
        WHERE m.brand_id = t.brand_id AND m.member_id = t.member_id AND m.status = 'erased' AND t.valid_to IS NULL
    """)


def downgrade() -> None:
    """Nothing is owed to them either way."""
