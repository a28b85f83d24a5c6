"""The background tasks: `celery -A src.tasks worker` and `beat`."""

import sqlalchemy as sa
from celery import Celery
from celery.signals import worker_process_init

from src import config

app = Celery("learn-greek", broker=config.REDIS_URL, backend=config.REDIS_URL)
app.conf.update(
    task_ignore_result=True,
    beat_schedule_filename="/tmp/celerybeat-schedule",
    beat_schedule={"summarize": {"task": "src.tasks.summarize", "schedule": 60.0}},
)

engine = sa.create_engine(config.SYNC_DATABASE_URL, pool_pre_ping=True)

SUMMARIZE = sa.text(
    """
    INSERT INTO summaries (day, reviews, remembered)
    SELECT current_date, count(*), count(*) FILTER (WHERE remembered)
    FROM reviews WHERE reviewed_at >= current_date
    ON CONFLICT (day) DO UPDATE SET reviews = excluded.reviews, remembered = excluded.remembered
    """
)


@worker_process_init.connect
def _fresh_connections(**_kwargs) -> None:
    """A connection must not be shared by the processes that a worker forks."""
    engine.dispose()


@app.task(autoretry_for=(sa.exc.OperationalError,), retry_backoff=True, max_retries=8)
def summarize() -> None:
    with engine.begin() as connection:
        connection.execute(SUMMARIZE)
