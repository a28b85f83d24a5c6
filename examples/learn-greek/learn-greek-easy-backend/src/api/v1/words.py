"""Words to learn; a review is a row now and a summary later, by way of the queue."""

import socket
from typing import Any, Dict, List

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from src.db.dependencies import get_db
from src.db.models import Review, Word
from src.tasks import summarize

router = APIRouter()


class NewReview(BaseModel):
    remembered: bool


@router.get("/words")
async def list_words(db: AsyncSession = Depends(get_db)) -> List[Dict[str, Any]]:
    words = (await db.execute(sa.select(Word).order_by(Word.id))).scalars()
    return [{"id": word.id, "greek": word.greek, "english": word.english} for word in words]


@router.post("/words/{word_id}/reviews", status_code=202)
async def review(word_id: int, new: NewReview, db: AsyncSession = Depends(get_db)) -> Dict[str, Any]:
    if await db.get(Word, word_id) is None:
        raise HTTPException(404, "no such word")
    db.add(Review(word_id=word_id, remembered=new.remembered))
    await db.commit()
    await run_in_threadpool(summarize.delay)
    return {"word_id": word_id, "remembered": new.remembered}


@router.get("/whoami")
async def whoami() -> Dict[str, str]:
    """Which replica answered."""
    return {"hostname": socket.gethostname()}
