"""What the environment says. The names are the document's."""

import os

ENVIRONMENT = os.environ.get("ENVIRONMENT", "development")

POSTGRES_HOST = os.environ.get("POSTGRES_HOST", "localhost")
POSTGRES_PORT = os.environ.get("POSTGRES_PORT", "5432")
POSTGRES_DB = os.environ.get("POSTGRES_DB", "ichrisbirch")
POSTGRES_USERNAME = os.environ.get("POSTGRES_USERNAME", "postgres")
POSTGRES_PASSWORD = os.environ.get("POSTGRES_PASSWORD", "postgres")
DATABASE_URL = (
    f"postgresql+psycopg2://{POSTGRES_USERNAME}:{POSTGRES_PASSWORD}@{POSTGRES_HOST}:{POSTGRES_PORT}/{POSTGRES_DB}"
)

REDIS_HOST = os.environ.get("REDIS_HOST", "localhost")
REDIS_PORT = int(os.environ.get("REDIS_PORT", "6379"))
REDIS_PASSWORD = os.environ.get("REDIS_PASSWORD") or None

FASTAPI_HOST = os.environ.get("FASTAPI_HOST", "localhost")
FASTAPI_PORT = os.environ.get("FASTAPI_PORT", "8000")
API_URL = f"http://{FASTAPI_HOST}:{FASTAPI_PORT}"
FLASK_HOST = os.environ.get("FLASK_HOST", "localhost")
FLASK_PORT = os.environ.get("FLASK_PORT", "5000")
FLASK_URL = f"http://{FLASK_HOST}:{FLASK_PORT}"
