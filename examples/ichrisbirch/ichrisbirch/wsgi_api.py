"""The API service: habits in PostgreSQL."""

from typing import Any, Dict, List

import sqlalchemy as sa
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

from ichrisbirch import config, models

api = FastAPI(title="ichrisbirch")


@api.on_event("startup")
def prepare() -> None:
    models.create_tables()


class NewHabit(BaseModel):
    name: str = Field(..., min_length=1, max_length=64)


def _as_dict(habit: models.Habit) -> Dict[str, Any]:
    return {"id": habit.id, "name": habit.name, "completed": habit.completed}


@api.get("/health")
def health(response: Response) -> Dict[str, str]:
    try:
        with models.engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError:
        response.status_code = 503
        return {"status": "unhealthy", "environment": config.ENVIRONMENT}
    return {"status": "healthy", "environment": config.ENVIRONMENT}


@api.get("/habits/")
def list_habits() -> List[Dict[str, Any]]:
    with models.Session() as session:
        return [_as_dict(habit) for habit in session.query(models.Habit).order_by(models.Habit.id)]


@api.post("/habits/", status_code=201)
def create_habit(new: NewHabit) -> Dict[str, Any]:
    try:
        with models.Session.begin() as session:
            habit = models.Habit(name=new.name)
            session.add(habit)
            session.flush()
            return _as_dict(habit)
    except sa.exc.IntegrityError:
        raise HTTPException(409, "there is a habit of that name")


@api.post("/habits/{habit_id}/complete")
def complete_habit(habit_id: int) -> Dict[str, Any]:
    with models.Session.begin() as session:
        habit = session.get(models.Habit, habit_id)
        if habit is None:
            raise HTTPException(404, "no such habit")
        habit.completed = models.Habit.completed + 1
        session.flush()
        return _as_dict(habit)


@api.delete("/habits/{habit_id}", status_code=204)
def delete_habit(habit_id: int) -> Response:
    with models.Session.begin() as session:
        habit = session.get(models.Habit, habit_id)
        if habit is None:
            raise HTTPException(404, "no such habit")
        session.delete(habit)
    return Response(status_code=204)
