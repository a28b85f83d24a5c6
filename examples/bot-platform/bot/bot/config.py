"""What the environment says."""

import os

BOT_TOKEN = os.environ.get("BOT_TOKEN", "")
WEBHOOK_SECRET = os.environ["WEBHOOK_SECRET"]
BACKEND_URL = os.environ.get("BACKEND_URL", "http://localhost:8000")
BACKEND_WS_URL = os.environ.get("BACKEND_WS_URL", "ws://localhost:8000/ws")
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/1")
SESSION_TIMEOUT_S = int(os.environ.get("SESSION_TIMEOUT", "3600"))
RATE_LIMIT_PER_MINUTE = int(os.environ.get("RATE_LIMIT_PER_MINUTE", "60"))
