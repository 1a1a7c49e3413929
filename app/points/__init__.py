"""Points and growth: an append-only double-entry ledger per member, with balances and lots kept beside it."""
