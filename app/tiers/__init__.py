"""Tiers: a ladder read off the growth of a rolling window, and the benefits each step gives."""
