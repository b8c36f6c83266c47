"""A server shared by tests, as one of them wants to find it."""

import re

from .waiting import wait_until

# What INFO tells of clients; one that was killed is not counted, and leaves its subscriptions a moment later.
ALONE = {
    "connected_clients:1",
    "tracking_clients:0",
    "pubsub_channels:0",
    "pubsub_patterns:0",
    "pubsubshard_channels:0",
}


def make_fresh(server):
    """Empties the server once it has seen its former clients go, which it does a moment after they have gone: until
    then they count as subscribers and watchers, and what they sent last may still be run. Of the connection that asks
    nothing is left either: whoever is told its end by the server is gone."""
    server.close_connections()
    with server.raw() as connection:

        def is_alone():
            lines = connection.command("INFO", "clients", "stats").decode().split("\r\n")
            return ALONE.issubset(lines)

        wait_until(is_alone, 10, "the former clients to be gone")
        assert connection.command("FLUSHALL") == b"+OK\r\n"
        connection.send(b"QUIT\r\n")
        assert connection.read_until_closed() == b"+OK\r\n"


def wait_for_freed_memory(connection):
    """What was deleted is freed bit by bit, and until then counts as used; figures are compared after that."""

    def is_freed():
        return re.search(rb"lazyfree_pending\w*:0\r", connection.command("INFO", "memory"))

    wait_until(is_freed, 10, "deleted keys to be freed")
