"""Waits until the database answers; exits non-zero when it does not within a minute."""

import os
import sys
import time

import sqlalchemy as sa

PATIENCE_S = 60

engine = sa.create_engine(os.environ["DATABASE_URL"], connect_args={"connect_timeout": 3})
deadline = time.monotonic() + PATIENCE_S
while True:
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
        print("the database answers")
        sys.exit(0)
    except sa.exc.OperationalError as error:
        if time.monotonic() > deadline:
            sys.exit(f"the database does not answer: {error.orig}")
        time.sleep(0.2)
