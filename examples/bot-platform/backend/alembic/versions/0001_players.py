"""players and games"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "players",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("wins", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_table(
        "games",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("winner_id", sa.BigInteger, sa.ForeignKey("players.id"), nullable=False),
        sa.Column("loser_id", sa.BigInteger, sa.ForeignKey("players.id"), nullable=False),
        sa.Column("played_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def downgrade() -> None:
    op.drop_table("games")
    op.drop_table("players")
