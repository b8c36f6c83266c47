"""Servers shared by the integration tests: on one thread and on four, reached by TCP and by Unix socket."""

import pytest

from support.server import Server


def _served(binary, threads):
    server = Server(binary, threads=threads)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server_on_1(binary):
    yield from _served(binary, 1)


@pytest.fixture(scope="session")
def server_on_4(binary):
    yield from _served(binary, 4)


@pytest.fixture(params=[1, 4], ids=["1thread", "4threads"])
def server(request):
    """A shared server, emptied. A test that configures it starts its own instead (start_server)."""
    shared = request.getfixturevalue(f"server_on_{request.param}")
    request.node.servers_to_show = [shared]
    with shared.raw() as connection:
        assert connection.command("FLUSHALL") == b"+OK\r\n"
    yield shared
    shared.close_connections()


@pytest.fixture(params=["tcp", "unix"])
def transport(request):
    return request.param


@pytest.fixture
def r(server, transport):
    """A redis-py client in RESP2 that returns bytes."""
    return server.client(transport)
