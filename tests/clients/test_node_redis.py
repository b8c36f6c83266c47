"""node-redis, the npm package `redis`, in both protocol versions."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.certificates import certificates

SOURCE = Path(__file__).parent / "node"
PROGRAMS = ("basic_use.mjs", "pubsub.mjs")
RESP3_PROGRAM = "client_side_cache.mjs"
INSTALL_S = 200  # less than a test may take


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder with the test program and its dependency; LARDER_NODE_MODULES names one that is installed already."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "options.mjs", *PROGRAMS, RESP3_PROGRAM):
        shutil.copy(SOURCE / name, folder)
    given = os.environ.get("LARDER_NODE_MODULES")
    if given:
        (folder / "node_modules").symlink_to(Path(given).resolve())
        return folder
    words = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
    try:
        install = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not installed the package redis in {INSTALL_S} s")
    if install.returncode != 0:
        pytest.skip(f"npm could not install the package redis: {install.stderr.strip()[-300:]}")
    return folder


def run(server, transport, folder, program, *arguments):
    where, *files = {
        "tcp": lambda: [f"redis://127.0.0.1:{server.port}"],
        "unix": lambda: [server.unix_path],
        "tls": lambda: [f"rediss://localhost:{server.tls_port}", *certificates().paths_of_client()],
    }[transport]()
    result = subprocess.run(
        ["node", program, where, *arguments, *files],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stdout + result.stderr


@pytest.mark.parametrize("protocol", ["2", "3"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_promise_holds(server, installed, transport, protocol, program):
    run(server, transport, installed, program, protocol)


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_client_side_caching(server, installed, transport):
    run(server, transport, installed, RESP3_PROGRAM)
