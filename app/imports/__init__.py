"""Bulk imports: what a file of another system is, how far its import has come, and which rows were refused and why."""
