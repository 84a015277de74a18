"""Runs: the lists and single runs, their steps, files and live stream, and what is done with them."""
