"""Content: material with variables, and what a store says differently."""
