"""Alembic's entry: the address comes from the application's settings, the tables from its models."""

from logging.config import fileConfig

import sqlalchemy as sa
from alembic import context
from app import config
from app.models import Base

fileConfig(context.config.config_file_name, disable_existing_loggers=False)

with sa.create_engine(config.SYNC_DATABASE_URL).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
