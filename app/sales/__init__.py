"""Orders as tills and malls report them: recorded once, whole, and adding up to the fen."""
