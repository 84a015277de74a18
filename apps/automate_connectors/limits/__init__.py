"""Rate limits and concurrency limits of connections, counted in the database for all workers."""
