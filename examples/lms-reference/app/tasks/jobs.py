"""The work itself. Every result ends as a row in PostgreSQL."""

import datetime
import socket

import sqlalchemy as sa
from celery.signals import worker_init

from app import db
from app.tasks.celery_app import celery_app


def _email(payload: dict) -> str:
    return f"sent to {payload.get('to', 'nobody')}"


def _progress(payload: dict) -> str:
    done, total = int(payload.get("done", 0)), max(int(payload.get("total", 1)), 1)
    return f"{100 * done // total}%"


def _certificate(payload: dict) -> str:
    return f"certificate for {payload.get('student', 'somebody')}"


def _webhook(payload: dict) -> str:
    return f"delivered to {payload.get('url', 'nowhere')}"


WORK = {"emails": _email, "progress": _progress, "certificates": _certificate, "webhooks": _webhook}


@worker_init.connect
def _prepare(**_kwargs) -> None:
    db.create_tables()


@celery_app.task(autoretry_for=(sa.exc.OperationalError,), retry_backoff=True, max_retries=8)
def run_job(job_id: str) -> str:
    with db.Session.begin() as session:
        job = session.get(db.Job, job_id)
        if job is None:
            return "gone"
        try:
            job.result = WORK[job.queue](job.payload)
            job.status = "done"
        except (TypeError, ValueError) as error:
            job.result = str(error)
            job.status = "failed"
        job.worker = socket.gethostname()
        job.finished_at = datetime.datetime.now(datetime.timezone.utc)
        return job.result


@celery_app.task
def heartbeat() -> None:
    with db.Session.begin() as session:
        session.add(db.Heartbeat(worker=socket.gethostname()))
