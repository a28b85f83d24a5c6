"""What the environment says."""

import os

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://game:game@localhost:5432/game")
# Alembic is not asynchronous.
SYNC_DATABASE_URL = DATABASE_URL.replace("+asyncpg", "+psycopg2")
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
DB_POOL_SIZE = int(os.environ.get("DB_POOL_SIZE", "5"))
LOG_LEVEL = os.environ.get("LOG_LEVEL", "info").upper()

# Every replica and every worker process hears what any of them announces.
EVENTS_CHANNEL = "game:events"
QUEUE_KEY = "game:waiting"
