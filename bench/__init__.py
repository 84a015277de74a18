"""Benchmarks: real processes on one machine, figures as JSON lines. bench/README.md says how to read them."""
