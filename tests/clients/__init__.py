"""Programs that people use with Redis, run against the server without a special case."""
