"""A server shared by tests, as one of them wants to find it."""

from .waiting import wait_until


def make_fresh(server):
    """Empties the server once it has seen its former clients go, which it does a moment after they have gone: until
    then they count as subscribers and watchers, and what they sent last may still be run."""
    server.close_connections()
    with server.raw() as connection:

        def is_alone():
            clients = connection.command("INFO", "clients").decode().split("\r\n")
            return "connected_clients:1" in clients and "tracking_clients:0" in clients

        wait_until(is_alone, 10, "the former clients to be gone")
        assert connection.command("FLUSHALL") == b"+OK\r\n"
