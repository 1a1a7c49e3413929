"""Benchmarks: ratios of our paths to their floors, measured side by side in one run."""
