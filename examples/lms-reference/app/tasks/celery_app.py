"""The Celery application that the worker and the scheduler name on their command lines."""

from celery import Celery
from celery.signals import worker_process_init
from kombu import Queue

from app import config, db

celery_app = Celery(
    "lms",
    broker=config.CELERY_BROKER_URL,
    backend=config.CELERY_RESULT_BACKEND,
    include=["app.tasks.jobs"],
)
celery_app.conf.update(
    # A worker that names no queues serves them all.
    task_queues=[Queue(name, routing_key=name) for name in config.QUEUES],
    task_default_queue="progress",
    task_always_eager=config.TASKS_FORCE_INLINE,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    result_expires=3600,
    broker_connection_retry_on_startup=True,
    # The container's user cannot write to a code directory that is mounted from somebody else's home.
    beat_schedule_filename="/tmp/celerybeat-schedule",
    beat_schedule={
        "heartbeat": {"task": "app.tasks.jobs.heartbeat", "schedule": 10.0, "options": {"queue": "progress"}},
    },
)


@worker_process_init.connect
def _fresh_connections(**_kwargs) -> None:
    """A connection must not be shared by the processes that a worker forks."""
    db.engine.dispose()
