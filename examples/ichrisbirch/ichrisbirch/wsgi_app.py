"""The front end: a page of habits, by way of the API; visits are counted in Redis."""

import redis
import requests
from flask import Flask, redirect, render_template, request, url_for

from ichrisbirch import config

app = Flask(__name__)
cache = redis.Redis(config.REDIS_HOST, config.REDIS_PORT, password=config.REDIS_PASSWORD, socket_timeout=2)


@app.get("/health")
def health():
    return {"status": "healthy"}


@app.get("/")
def index():
    habits = requests.get(f"{config.API_URL}/habits/", timeout=5).json()
    return render_template("index.html", habits=habits, visits=cache.incr("visits"), environment=config.ENVIRONMENT)


@app.post("/habits")
def create():
    requests.post(f"{config.API_URL}/habits/", json={"name": request.form["name"]}, timeout=5)
    return redirect(url_for("index"))


@app.post("/habits/<int:habit_id>/complete")
def complete(habit_id: int):
    requests.post(f"{config.API_URL}/habits/{habit_id}/complete", timeout=5)
    return redirect(url_for("index"))
