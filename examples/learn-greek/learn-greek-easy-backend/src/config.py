"""What the environment says. The names are the document's."""

import os

ENVIRONMENT = os.environ.get("ENVIRONMENT", "development")
DATABASE_URL = os.environ.get(
    "DATABASE_URL", "postgresql+asyncpg://postgres:postgres@localhost:5432/learn_greek_easy"
)
# Celery's tasks and Alembic are not asynchronous.
SYNC_DATABASE_URL = DATABASE_URL.replace("+asyncpg", "+psycopg2")
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
CORS_ORIGINS = [o for o in os.environ.get("CORS_ORIGINS", "").split(",") if o]
API_V1_PREFIX = os.environ.get("API_V1_PREFIX", "/api/v1")
