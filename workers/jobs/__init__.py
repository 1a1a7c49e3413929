"""Jobs: thin functions a queue calls by name."""
