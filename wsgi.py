"""The WSGI entry point: `granian --interface wsgi wsgi:app`, and `flask --app wsgi ...` for the command line."""

from app.web import create_app

app = create_app()
