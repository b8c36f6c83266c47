"""The server through redis-py, the way applications use it: over TCP and Unix sockets, on one thread and on four."""
