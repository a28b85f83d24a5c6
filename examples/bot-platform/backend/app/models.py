"""Players and the games they played."""

import sqlalchemy as sa
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Player(Base):
    __tablename__ = "players"

    id = sa.Column(sa.BigInteger, primary_key=True, autoincrement=False)
    name = sa.Column(sa.String(64), nullable=False)
    wins = sa.Column(sa.Integer, nullable=False, server_default="0")


class Game(Base):
    __tablename__ = "games"

    id = sa.Column(sa.Integer, primary_key=True)
    winner_id = sa.Column(sa.BigInteger, sa.ForeignKey("players.id"), nullable=False)
    loser_id = sa.Column(sa.BigInteger, sa.ForeignKey("players.id"), nullable=False)
    played_at = sa.Column(sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
