"""Privacy: what a person agreed to, who looked behind a mask, what they may take along, and being forgotten."""
