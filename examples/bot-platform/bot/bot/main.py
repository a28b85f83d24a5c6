"""The bot: Telegram posts updates to the webhook; the answer to a message is the answer to the request, which Telegram
carries out, so that nothing has to be called for it."""

import asyncio
import hmac
import json
import logging
from typing import Any, Dict, Optional

import httpx
import redis.asyncio as redis
import websockets
from fastapi import FastAPI, Header, HTTPException, Response

from bot import config

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("bot")

app = FastAPI(title="Bot")
sessions = redis.from_url(config.REDIS_URL, decode_responses=True)
backend = httpx.AsyncClient(base_url=config.BACKEND_URL, timeout=5)


async def _listen() -> None:
    """The back end's events; the last one is what /last answers."""
    while True:
        try:
            async with websockets.connect(config.BACKEND_WS_URL) as socket:
                log.info("connected to the back end's events")
                app.state.connected = True
                async for message in socket:
                    await sessions.set("bot:last-event", message)
        except (OSError, websockets.WebSocketException, redis.RedisError) as error:
            log.warning("events: %s", error)
        app.state.connected = False
        await asyncio.sleep(0.5)


@app.on_event("startup")
async def start_listener() -> None:
    app.state.connected = False
    app.state.listener = asyncio.create_task(_listen())


@app.on_event("shutdown")
async def stop_listener() -> None:
    app.state.listener.cancel()


@app.get("/health")
async def health(response: Response) -> Dict[str, Any]:
    checks: Dict[str, Any] = {"events": "connected" if app.state.connected else "waiting"}
    try:
        await sessions.ping()
        checks["sessions"] = "ok"
    except redis.RedisError:
        checks["sessions"] = "unreachable"
    try:
        checks["backend"] = "ok" if (await backend.get("/health")).status_code == 200 else "unhealthy"
    except httpx.HTTPError:
        checks["backend"] = "unreachable"
    if checks["sessions"] != "ok" or checks["backend"] != "ok":
        response.status_code = 503
    return checks


async def _allowed(user: int) -> bool:
    key = f"bot:rate:{user}"
    count = await sessions.incr(key)
    if count == 1:
        await sessions.expire(key, 60)
    return count <= config.RATE_LIMIT_PER_MINUTE


async def _start(user: int, name: str) -> str:
    await backend.put("/api/players", json={"id": user, "name": name})
    await sessions.set(f"bot:session:{user}", json.dumps({"name": name}), ex=config.SESSION_TIMEOUT_S)
    return f"Welcome, {name}. /join plays, /score shows the best."


async def _join(user: int, _name: str) -> str:
    if not await sessions.exists(f"bot:session:{user}"):
        return "Say /start first."
    game = (await backend.post(f"/api/players/{user}/join")).json()
    if game["state"] == "waiting":
        return "Waiting for another player."
    return "You won!" if game["winner"] == user else "You lost."


async def _score(_user: int, _name: str) -> str:
    players = (await backend.get("/api/players")).json()
    return "\n".join(f"{player['name']}: {player['wins']}" for player in players) or "Nobody played yet."


async def _last(_user: int, _name: str) -> str:
    return await sessions.get("bot:last-event") or "Nothing happened yet."


COMMANDS = {"/start": _start, "/join": _join, "/score": _score, "/last": _last}


@app.post("/webhook")
async def webhook(
    update: Dict[str, Any], x_telegram_bot_api_secret_token: Optional[str] = Header(None)
) -> Dict[str, Any]:
    if not hmac.compare_digest(x_telegram_bot_api_secret_token or "", config.WEBHOOK_SECRET):
        raise HTTPException(403, "wrong secret")
    message = update.get("message") or {}
    sender, text = message.get("from") or {}, str(message.get("text", ""))
    if "id" not in sender or "chat" not in message:
        return {}
    user = int(sender["id"])
    if not await _allowed(user):
        reply = "Too many messages; try again in a minute."
    else:
        command = COMMANDS.get(text.split(" ")[0])
        reply = await command(user, str(sender.get("first_name", "player"))) if command else "I know " + ", ".join(COMMANDS)
    return {"method": "sendMessage", "chat_id": message["chat"]["id"], "text": reply}
