"""What the integration tests run against: servers on one thread and on four, reached by TCP and by Unix socket; for the
modules marked `over_tls` by TLS as well; and, for those marked `embedded`, an engine inside this process, reached by
function calls. A test of such a module that is about bare sockets is marked `plain_only`, or `needs_sockets`."""

import pytest

from support.certificates import has_tls, need_tls
from support.embedded import EmbeddedServer
from support.fresh import make_fresh
from support.server import Server

EMBEDDED = "embedded"
SERVERS = {1: "1thread", 4: "4threads"}
TRANSPORTS = ("tcp", "unix")
TLS = "tls"


def _runs_embedded(metafunc):
    item = metafunc.definition
    return item.get_closest_marker("embedded") is not None and item.get_closest_marker("needs_sockets") is None


def _runs_over_tls(metafunc):
    item = metafunc.definition
    return item.get_closest_marker("over_tls") is not None and item.get_closest_marker("plain_only") is None


def pytest_generate_tests(metafunc):
    """Each server by each transport; the embedded engine has one transport, its own."""
    names = [name for name in ("server", "transport") if name in metafunc.fixturenames]
    transports = (*TRANSPORTS, TLS) if _runs_over_tls(metafunc) else TRANSPORTS
    values = {
        "server": [(threads,) for threads in SERVERS],
        "transport": [(transport,) for transport in transports],
        "server transport": [(threads, transport) for threads in SERVERS for transport in transports],
    }.get(" ".join(names), [])
    if "server" in names and _runs_embedded(metafunc):
        values.append((EMBEDDED,) * len(names))
    if values:
        ids = ["-".join(dict.fromkeys(SERVERS.get(part, part) for part in value)) for value in values]
        metafunc.parametrize(names, values, indirect=True, ids=ids)


def _served(binary, threads):
    server = Server(binary, threads=threads, tls=has_tls(binary))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server_on_1(binary):
    yield from _served(binary, 1)


@pytest.fixture(scope="session")
def server_on_4(binary):
    yield from _served(binary, 4)


@pytest.fixture(scope="session")
def has_engine(is_larder):
    if not is_larder:
        pytest.skip("redis-server stands in for Larder: it cannot be embedded")


@pytest.fixture(scope="session")
def server_embedded(has_engine):
    server = EmbeddedServer()
    yield server
    server.stop()


@pytest.fixture
def server(request):
    """A shared server, emptied. A test that configures it starts its own instead (start_server)."""
    if request.param == EMBEDDED:
        shared = request.getfixturevalue("server_embedded")
    else:
        shared = request.getfixturevalue(f"server_on_{request.param}")
        request.node.servers_to_show = [shared]
    make_fresh(shared)
    yield shared
    shared.close_connections()


@pytest.fixture
def transport(request, binary):
    if request.param == TLS:
        need_tls(binary)
    return request.param


@pytest.fixture
def r(server, transport):
    """A redis-py client in RESP2 that returns bytes."""
    return server.client(transport)


@pytest.fixture
def start_engine(has_engine):
    """Starts engines inside this process: start_engine(config="databases 4") -> EmbeddedServer; stops them after."""
    servers = []

    def start(**arguments):
        servers.append(EmbeddedServer(**arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
