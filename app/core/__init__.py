"""Plumbing with no business words: database, transaction, inbox, outbox, claims, errors, crypto, clock, ids."""
