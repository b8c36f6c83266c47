"""Options and fixtures shared by all black-box suites.

The server under test is LARDER_SERVER (default build/release/larder-server). A redis-server may stand in for it
(support/redis-stand-in) to check the tests themselves; tests of what redis-server 7.0 lacks then skip.
"""

import random
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.certificates import need_tls, remove_certificates  # noqa: E402
from support.server import SANITIZED, Server, larder_binary, reference_binary  # noqa: E402
from support.stacks import native_stacks  # noqa: E402

OUT_OF_TIME = "Timeout (>"  # how pytest-timeout begins its message


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=None, help="seed of the random tests (default: a new one, printed)")
    parser.addoption(
        "--random-commands",
        type=int,
        default=200000,
        help="random commands of the differential test per protocol version (default: 200000)",
    )
    parser.addoption(
        "--random-streams",
        type=int,
        default=3000,
        help="random malformed byte streams of the protocol differential (default: 3000)",
    )

    parser.addoption(
        "--soak-seconds",
        type=float,
        default=20,
        help="how long the soak test lets its actors play, all targets together (default: 20)",
    )


def pytest_configure(config):
    if config.getoption("--seed") is None:
        config.option.seed = random.SystemRandom().randrange(1 << 32)
    config.addinivalue_line("markers", "larder_only(reason): holds for Larder, not for redis-server 7.0 standing in")
    config.addinivalue_line("markers", "embedded: the integration test runs against the embedded engine, too")
    config.addinivalue_line("markers", "over_tls: the integration test runs over TLS, too")
    config.addinivalue_line("markers", "plain_only: is about bare sockets, so not run over TLS")
    config.addinivalue_line("markers", "needs_tls: is about TLS, so skipped where the server was built without")
    config.addinivalue_line("markers", "needs_sockets: is about sockets, so not run against the embedded engine")


def pytest_unconfigure(config):
    remove_certificates()


def pytest_sessionstart(session):
    if shutil.which(larder_binary()) is None and not session.config.option.collectonly:
        pytest.exit(f"no server at {larder_binary()}: build it, or name another with LARDER_SERVER", returncode=1)


def pytest_report_header(config):
    return f"server under test: {larder_binary()}; random tests reproducible with --seed {config.option.seed}"


@pytest.fixture(scope="session")
def seed(request):
    """The seed of this run; a failure message repeats it."""
    return request.config.option.seed


@pytest.fixture(scope="session")
def binary():
    return larder_binary()


@pytest.fixture(scope="session")
def reference():
    """The path of the real redis-server."""
    path = reference_binary()
    if path is None:
        pytest.skip("redis-server is not installed, nothing to compare with")
    return path


@pytest.fixture(scope="session")
def is_larder(binary):
    """False when a redis-server stands in for Larder."""
    server = Server(binary)
    try:
        return "larder_version" in server.client().info("server")
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _skip_larder_only(request):
    marker = request.node.get_closest_marker("larder_only")
    if marker and not request.getfixturevalue("is_larder"):
        pytest.skip(f"redis-server stands in for Larder: {marker.args[0]}")


@pytest.fixture(autouse=True)
def _skip_without_tls(request, binary):
    if request.node.get_closest_marker("needs_tls"):
        need_tls(binary)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the logs of a failed test's servers, and where they had come to if the test's time ran out."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        ran_out_of_time = OUT_OF_TIME in str(call.excinfo.value)
        for server in getattr(item, "servers_to_show", []):
            if ran_out_of_time and server.is_running():
                report.sections.append((f"stacks of the server on port {server.port}", native_stacks(server.pid)))
            if server.output_path.exists():
                report.sections.append((f"output of the server on port {server.port}", server.log()[-8000:]))


@pytest.fixture
def start_server(request, binary):
    """Starts servers for one test: start_server(threads=4, options={...}) -> Server; all are stopped after it.

    A server whose end the test itself brought about is left out of the crash check, not out of the check of its status.
    """
    servers = request.node.servers_to_show = []

    def start(**arguments):
        server = Server(arguments.pop("binary", binary), **arguments)
        servers.append(server)
        return server

    yield start
    problems = []
    for server in servers:
        try:
            server.stop(expect_running=False)
        except Exception as problem:  # the others must be stopped all the same
            problems.append(str(problem))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture(scope="session")
def slow_factor():
    """How much longer everything may take here."""
    return 10 if SANITIZED else 1
