"""Membership: a person's belonging to ONE brand, with its number, home store and owning guide."""
