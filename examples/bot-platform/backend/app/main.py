"""The game's back end: players, a matchmaking queue in Redis, and every result announced over WebSockets."""

import asyncio
import contextlib
import json
import logging
import random
from typing import Any, Dict, List, Set

import redis.asyncio as redis
import sqlalchemy as sa
from fastapi import FastAPI, HTTPException, Response, WebSocket, WebSocketDisconnect
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import sessionmaker

from app import config
from app.models import Game, Player

logging.basicConfig(level=config.LOG_LEVEL)
log = logging.getLogger("game")

engine = create_async_engine(config.DATABASE_URL, pool_size=config.DB_POOL_SIZE, pool_pre_ping=True)
Session = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
cache = redis.from_url(config.REDIS_URL, decode_responses=True)

GAMES = Counter("game_games_total", "Games played")
LISTENERS = Gauge("game_listeners", "Open WebSockets")

app = FastAPI(title="Game")
listeners: Set[WebSocket] = set()


async def _relay() -> None:
    """What is announced in Redis goes to every WebSocket of this process, for as long as it lives."""
    while True:
        try:
            async with cache.pubsub() as pubsub:
                await pubsub.subscribe(config.EVENTS_CHANNEL)
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        for listener in list(listeners):
                            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                                await listener.send_text(message["data"])
        except redis.RedisError as error:
            log.warning("events: %s", error)
            await asyncio.sleep(0.5)


@app.on_event("startup")
async def start_relay() -> None:
    app.state.relay = asyncio.create_task(_relay())


@app.on_event("shutdown")
async def stop_relay() -> None:
    app.state.relay.cancel()


@app.get("/health")
async def live() -> Dict[str, str]:
    return {"status": "ok"}


@app.get("/health/ready")
async def ready(response: Response) -> Dict[str, str]:
    checks = {"database": "ok", "redis": "ok"}
    try:
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT 1"))
    except (sa.exc.SQLAlchemyError, OSError):
        checks["database"] = "unreachable"
    try:
        await cache.ping()
    except redis.RedisError:
        checks["redis"] = "unreachable"
    if any(value != "ok" for value in checks.values()):
        response.status_code = 503
    return checks


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


class NewPlayer(BaseModel):
    id: int
    name: str = Field(..., min_length=1, max_length=64)


@app.put("/api/players")
async def put_player(player: NewPlayer) -> Dict[str, Any]:
    async with Session.begin() as session:
        await session.execute(
            insert(Player)
            .values(id=player.id, name=player.name)
            .on_conflict_do_update(index_elements=["id"], set_={"name": player.name})
        )
    return player.dict()


@app.get("/api/players")
async def best_players() -> List[Dict[str, Any]]:
    async with Session() as session:
        players = (await session.execute(sa.select(Player).order_by(Player.wins.desc()).limit(10))).scalars()
        return [{"id": player.id, "name": player.name, "wins": player.wins} for player in players]


@app.post("/api/players/{player_id}/join")
async def join(player_id: int) -> Dict[str, Any]:
    """Waits for another player or, if one waits, plays."""
    async with Session() as session:
        if await session.get(Player, player_id) is None:
            raise HTTPException(404, "no such player")
    other = await cache.lpop(config.QUEUE_KEY)
    if other is None or int(other) == player_id:
        await cache.rpush(config.QUEUE_KEY, player_id)
        return {"state": "waiting"}
    return await _play(player_id, int(other))


async def _play(first: int, second: int) -> Dict[str, Any]:
    winner, loser = random.sample([first, second], 2)
    async with Session.begin() as session:
        session.add(Game(winner_id=winner, loser_id=loser))
        await session.execute(sa.update(Player).where(Player.id == winner).values(wins=Player.wins + 1))
    GAMES.inc()
    event = {"state": "played", "winner": winner, "loser": loser}
    await cache.publish(config.EVENTS_CHANNEL, json.dumps(event))
    return event


@app.websocket("/ws")
async def events(websocket: WebSocket) -> None:
    await websocket.accept()
    listeners.add(websocket)
    LISTENERS.inc()
    try:
        while True:
            # Whatever is said is said back: enough to see that both directions work.
            await websocket.send_text(json.dumps({"echo": await websocket.receive_text()}))
    except WebSocketDisconnect:
        pass
    finally:
        listeners.discard(websocket)
        LISTENERS.dec()
