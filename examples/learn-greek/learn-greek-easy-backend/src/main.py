"""The API."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from src import config
from src.api.v1 import health, words

app = FastAPI(title="Learn Greek Easy", version="1.0.0")
if config.CORS_ORIGINS:
    app.add_middleware(CORSMiddleware, allow_origins=config.CORS_ORIGINS, allow_methods=["*"], allow_headers=["*"])
app.include_router(health.router)
app.include_router(words.router, prefix=config.API_V1_PREFIX)
