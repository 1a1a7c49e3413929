"""The one application of a background process, made when it starts."""

from app.background import create_app

app = create_app()
