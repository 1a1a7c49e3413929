"""The command line: `flask --app wsgi GROUP COMMAND`, one module a group."""

from __future__ import annotations

from flask import Flask

from . import database, demo, distribute, doctor, simulate, trace


def register(app: Flask) -> None:
    """Put every command group on the application."""
    for module in (database, demo, doctor, simulate):
        app.cli.add_command(module.group)
    for single in (distribute, trace):
        app.cli.add_command(single.command)
