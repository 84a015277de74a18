"""The command line `automate`: talks to a server through its API alone, and imports nothing of Django."""
