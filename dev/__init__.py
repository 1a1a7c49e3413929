"""Scripts that set up, start and check Siyu on one machine. Standard library only: they run before an install."""
