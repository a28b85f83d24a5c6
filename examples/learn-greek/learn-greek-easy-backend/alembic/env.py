"""Alembic's entry: the address comes from the application's settings, the tables from its models."""

from logging.config import fileConfig

from alembic import context
from src.db.models import Base
from src.tasks import engine

fileConfig(context.config.config_file_name, disable_existing_loggers=False)

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
