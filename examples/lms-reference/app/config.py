"""What the environment says. The names are the document's."""

import os


def _flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, "")
    return value.strip().lower() in ("1", "true", "yes", "on") if value else default


def _redis_database(url: str, number: int) -> str:
    """The same server, another database: for stacks that name only REDIS_URL."""
    head, _, tail = url.partition("://")
    return f"{head}://{tail.split('/')[0]}/{number}"


PROJECT_NAME = os.environ.get("PROJECT_NAME", "LMS Backend")
VERSION = os.environ.get("VERSION", "1.0.0")
ENVIRONMENT = os.environ.get("ENVIRONMENT", "development")
DEBUG = _flag("DEBUG")
API_V1_PREFIX = os.environ.get("API_V1_PREFIX", "/api/v1")
ENABLE_API_DOCS = _flag("ENABLE_API_DOCS", True)
CORS_ORIGINS = [o for o in os.environ.get("CORS_ORIGINS", "").split(",") if o]

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+psycopg2://lms:lms@localhost:5432/lms")
SQLALCHEMY_ECHO = _flag("SQLALCHEMY_ECHO")

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or _redis_database(REDIS_URL, 1)
CELERY_RESULT_BACKEND = os.environ.get("CELERY_RESULT_BACKEND") or _redis_database(REDIS_URL, 2)

# Tasks run inside the process that asks for them: for demonstrations and debugging without a worker.
TASKS_FORCE_INLINE = _flag("TASKS_FORCE_INLINE")

QUEUES = ("emails", "progress", "certificates", "webhooks")
