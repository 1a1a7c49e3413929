"""`flask db`: the schema."""

from __future__ import annotations

from pathlib import Path

import click
from alembic import command
from alembic.config import Config
from flask.cli import AppGroup

ROOT = Path(__file__).resolve().parent.parent.parent

group = AppGroup("db", help="The database schema.")


def alembic_config() -> Config:
    """Alembic's configuration, made in code: there is no ini file to disagree with the settings."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config


@group.command("upgrade")
def upgrade() -> None:
    """Bring the schema to the newest version."""
    command.upgrade(alembic_config(), "head")


@group.command("check")
def check() -> None:
    """Fail when the models and the migrations disagree."""
    command.check(alembic_config())


@group.command("revision")
@click.argument("message")
def revision(message: str) -> None:
    """Draft a migration from the difference between models and schema."""
    command.revision(alembic_config(), message, autogenerate=True)
