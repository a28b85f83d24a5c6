"""The tables (production makes them with alembic/, development here), and a connection that waits for a server which is still starting."""

import datetime
import logging
import time

import sqlalchemy as sa
from sqlalchemy.orm import declarative_base, sessionmaker

from app import config

log = logging.getLogger("lms.db")

engine = sa.create_engine(
    config.DATABASE_URL,
    echo=config.SQLALCHEMY_ECHO,
    pool_pre_ping=True,
    connect_args={"connect_timeout": 3},
)
Session = sessionmaker(bind=engine)
Base = declarative_base()

# Any number: it only has to be the same in every process that makes the tables.
SCHEMA_LOCK = 4242


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class Job(Base):
    __tablename__ = "jobs"

    id = sa.Column(sa.String(36), primary_key=True)
    queue = sa.Column(sa.String(32), nullable=False)
    payload = sa.Column(sa.JSON, nullable=False)
    status = sa.Column(sa.String(16), nullable=False, default="queued")
    result = sa.Column(sa.Text)
    worker = sa.Column(sa.String(128))
    created_at = sa.Column(sa.DateTime(timezone=True), nullable=False, default=_now)
    finished_at = sa.Column(sa.DateTime(timezone=True))


class Heartbeat(Base):
    __tablename__ = "heartbeats"

    id = sa.Column(sa.Integer, primary_key=True)
    worker = sa.Column(sa.String(128), nullable=False)
    beat_at = sa.Column(sa.DateTime(timezone=True), nullable=False, default=_now)


def create_tables(patience_s: float = 60) -> None:
    """Makes what is missing. The document's stack starts the database and its users at the same time, so a server that
    does not answer yet is asked again until patience runs out."""
    deadline = time.monotonic() + patience_s
    told = False
    while True:
        try:
            with engine.begin() as connection:
                # The API and the workers start together, and CREATE TABLE IF NOT EXISTS is not safe against itself.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": SCHEMA_LOCK})
                Base.metadata.create_all(connection)
            return
        except sa.exc.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            if not told:
                log.warning("waiting for the database: %s", str(error.orig).strip().splitlines()[0])
                told = True
            time.sleep(0.2)
