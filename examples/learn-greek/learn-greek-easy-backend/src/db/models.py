"""Words, reviews of them, and a daily summary that the worker keeps."""

import sqlalchemy as sa
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Word(Base):
    __tablename__ = "words"

    id = sa.Column(sa.Integer, primary_key=True)
    greek = sa.Column(sa.String(64), nullable=False, unique=True)
    english = sa.Column(sa.String(64), nullable=False)


class Review(Base):
    __tablename__ = "reviews"

    id = sa.Column(sa.Integer, primary_key=True)
    word_id = sa.Column(sa.Integer, sa.ForeignKey("words.id"), nullable=False)
    remembered = sa.Column(sa.Boolean, nullable=False)
    reviewed_at = sa.Column(sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


class Summary(Base):
    __tablename__ = "summaries"

    day = sa.Column(sa.Date, primary_key=True)
    reviews = sa.Column(sa.Integer, nullable=False)
    remembered = sa.Column(sa.Integer, nullable=False)
