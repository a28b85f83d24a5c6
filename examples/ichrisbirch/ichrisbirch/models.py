"""Habits, their completions, and what the scheduler did."""

import datetime

import sqlalchemy as sa
from sqlalchemy.orm import declarative_base, sessionmaker

from ichrisbirch import config

engine = sa.create_engine(config.DATABASE_URL, pool_pre_ping=True, connect_args={"connect_timeout": 3})
Session = sessionmaker(bind=engine)
Base = declarative_base()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class Habit(Base):
    __tablename__ = "habits"

    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(64), nullable=False, unique=True)
    completed = sa.Column(sa.Integer, nullable=False, default=0)


class SchedulerRun(Base):
    __tablename__ = "scheduler_runs"

    id = sa.Column(sa.Integer, primary_key=True)
    habits = sa.Column(sa.Integer, nullable=False)
    ran_at = sa.Column(sa.DateTime(timezone=True), nullable=False, default=_now)


def create_tables() -> None:
    with engine.begin() as connection:
        # Several workers start together, and making a table is not safe against itself.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4004)"))
        Base.metadata.create_all(connection)
