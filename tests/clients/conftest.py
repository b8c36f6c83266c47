"""One server for the client programs, with a TLS port where it was built with TLS."""

import pytest

from support.certificates import has_tls, need_tls
from support.fresh import make_fresh
from support.server import Server


@pytest.fixture(scope="session")
def client_server(binary):
    server = Server(binary, threads=2, tls=has_tls(binary))
    yield server
    server.stop()


@pytest.fixture
def server(request, client_server):
    """The server, emptied."""
    request.node.servers_to_show = [client_server]
    make_fresh(client_server)
    yield client_server
    client_server.close_connections()


@pytest.fixture(params=["tcp", "unix", "tls"])
def transport(request, binary):
    if request.param == "tls":
        need_tls(binary)
    return request.param
