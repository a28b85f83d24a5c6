"""words, reviews, summaries"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORDS = [("νερό", "water"), ("ψωμί", "bread"), ("θάλασσα", "sea"), ("ευχαριστώ", "thank you"), ("καλημέρα", "good morning")]


def upgrade() -> None:
    words = op.create_table(
        "words",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("greek", sa.String(64), nullable=False, unique=True),
        sa.Column("english", sa.String(64), nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("word_id", sa.Integer, sa.ForeignKey("words.id"), nullable=False),
        sa.Column("remembered", sa.Boolean, nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "summaries",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("reviews", sa.Integer, nullable=False),
        sa.Column("remembered", sa.Integer, nullable=False),
    )
    op.bulk_insert(words, [{"greek": greek, "english": english} for greek, english in WORDS])


def downgrade() -> None:
    for table in ("summaries", "reviews", "words"):
        op.drop_table(table)
