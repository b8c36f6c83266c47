"""One server for the client programs."""

import pytest

from support.server import Server


@pytest.fixture(scope="session")
def client_server(binary):
    server = Server(binary, threads=2)
    yield server
    server.stop()


@pytest.fixture
def server(request, client_server):
    """The server, emptied."""
    request.node.servers_to_show = [client_server]
    with client_server.raw() as connection:
        connection.command("FLUSHALL")
    yield client_server
    client_server.close_connections()
