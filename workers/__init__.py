"""Processes beside the web: the relay, the queue workers, the schedule."""
