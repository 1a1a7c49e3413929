"""The command line: `flask --app wsgi GROUP COMMAND`, one module a group."""

from __future__ import annotations

from flask import Flask

from . import database, distribute, doctor


def register(app: Flask) -> None:
    """Put every command group on the application."""
    for module in (database, doctor):
        app.cli.add_command(module.group)
    app.cli.add_command(distribute.command)
