"""The command line: `flask --app wsgi GROUP COMMAND`, one module a group."""

from __future__ import annotations

from flask import Flask

from . import access, database, demo, distribute, doctor, imports, organisation, privacy, simulate, sync, trace, traits


def register(app: Flask) -> None:
    """Put every command group on the application."""
    modules = (database, demo, doctor, privacy, simulate, sync, traits)
    groups = [*(module.group for module in modules), *organisation.GROUPS]
    for command in (*groups, access.command, distribute.command, imports.command, trace.command):
        app.cli.add_command(command)
