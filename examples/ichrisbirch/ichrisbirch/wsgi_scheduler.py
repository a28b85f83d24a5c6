"""The background jobs: every ten seconds the habits are counted into a row."""

import logging

import requests
from apscheduler.schedulers.blocking import BlockingScheduler

from ichrisbirch import config, models

log = logging.getLogger("ichrisbirch.scheduler")


def count_habits() -> None:
    habits = requests.get(f"{config.API_URL}/habits/", timeout=5).json()
    with models.Session.begin() as session:
        session.add(models.SchedulerRun(habits=len(habits)))
    log.info("counted %d habits", len(habits))


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    models.create_tables()
    scheduler = BlockingScheduler(timezone="UTC")
    scheduler.add_job(count_habits, "interval", seconds=10)
    count_habits()
    scheduler.start()


if __name__ == "__main__":
    main()
