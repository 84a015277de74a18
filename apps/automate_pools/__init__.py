"""Executors: the built-in ones, the relay that sends what is handed out, and the performing side."""
