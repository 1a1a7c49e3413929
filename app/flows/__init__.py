"""One file per story that crosses domains; `subscriptions.py` is the wiring table."""
