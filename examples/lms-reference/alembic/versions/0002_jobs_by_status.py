"""an index for the list of open jobs"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("jobs_by_status", "jobs", ["status", "created_at"])


def downgrade() -> None:
    op.drop_index("jobs_by_status")
