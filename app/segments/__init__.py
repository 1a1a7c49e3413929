"""Segments: who is meant, as a typed tree of conditions that becomes one SQL statement."""
