"""Replies to callers: waiting for what a reply step answers, without holding a worker or a database connection."""
