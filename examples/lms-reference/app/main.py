"""The API: health, readiness, metrics, and jobs that go through the queue."""

import logging
import platform
import time
import uuid
from typing import Any, Dict

import redis
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel, Field

from app import config, db
from app.tasks.jobs import run_job

log = logging.getLogger("lms.api")

REQUESTS = Counter("lms_http_requests_total", "Answers by method, path and status", ["method", "path", "status"])
SECONDS = Histogram("lms_http_request_seconds", "Time to answer", ["path"])
JOBS = Counter("lms_jobs_total", "Jobs taken by queue", ["queue"])

app = FastAPI(
    title=config.PROJECT_NAME,
    version=config.VERSION,
    debug=config.DEBUG,
    docs_url="/docs" if config.ENABLE_API_DOCS else None,
)
if config.CORS_ORIGINS:
    app.add_middleware(CORSMiddleware, allow_origins=config.CORS_ORIGINS, allow_methods=["*"], allow_headers=["*"])
api = APIRouter(prefix=config.API_V1_PREFIX)
cache = redis.Redis.from_url(config.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


@app.on_event("startup")
def prepare() -> None:
    db.create_tables()


@app.middleware("http")
async def measure(request: Request, call_next):
    start = time.perf_counter()
    response = await call_next(request)
    # The route's pattern, not the path: a label must not grow with every job's number.
    route = request.scope.get("route")
    path = route.path if route else "unknown"
    REQUESTS.labels(request.method, path, response.status_code).inc()
    SECONDS.labels(path).observe(time.perf_counter() - start)
    return response


@api.get("/health")
def health() -> Dict[str, Any]:
    """The process answers."""
    return {"status": "ok", "version": config.VERSION, "environment": config.ENVIRONMENT}


@api.get("/ready")
def ready(response: Response) -> Dict[str, Any]:
    """What the process needs answers, too."""
    checks = {}
    try:
        with db.engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
        checks["database"] = "ok"
    except sa.exc.SQLAlchemyError as error:
        log.warning("not ready: %s", error)
        checks["database"] = "unreachable"
    try:
        cache.ping()
        checks["redis"] = "ok"
    except redis.RedisError as error:
        log.warning("not ready: %s", error)
        checks["redis"] = "unreachable"
    good = all(value == "ok" for value in checks.values())
    if not good:
        response.status_code = 503
    return {"status": "ready" if good else "not ready", **checks}


class JobRequest(BaseModel):
    queue: str = Field(..., description="one of " + ", ".join(config.QUEUES))
    payload: Dict[str, Any] = {}


@api.post("/jobs", status_code=202)
def create_job(request: JobRequest) -> Dict[str, Any]:
    if request.queue not in config.QUEUES:
        raise HTTPException(422, f"no such queue; there are: {', '.join(config.QUEUES)}")
    job_id = str(uuid.uuid4())
    with db.Session.begin() as session:
        session.add(db.Job(id=job_id, queue=request.queue, payload=request.payload))
    run_job.apply_async(args=[job_id], queue=request.queue)
    JOBS.labels(request.queue).inc()
    return {"id": job_id, "status": "queued"}


@api.get("/jobs/{job_id}")
def read_job(job_id: uuid.UUID) -> Dict[str, Any]:
    with db.Session() as session:
        job = session.get(db.Job, str(job_id))
        if job is None:
            raise HTTPException(404, "no such job")
        return {
            "id": job.id,
            "queue": job.queue,
            "status": job.status,
            "result": job.result,
            "worker": job.worker,
            "created_at": job.created_at,
            "finished_at": job.finished_at,
        }


@api.websocket("/progress")
async def progress(socket: WebSocket) -> None:
    """What a learner's page sends comes back with the replica that answered: a line to try a proxy's upgrade with."""
    await socket.accept()
    try:
        while True:
            await socket.send_json({"replica": platform.node(), "progress": await socket.receive_text()})
    except WebSocketDisconnect:
        pass


@app.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


app.include_router(api)
