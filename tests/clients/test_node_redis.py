"""node-redis, the npm package `redis`, in both protocol versions."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "node"
PROGRAMS = ("basic_use.mjs", "pubsub.mjs")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder with the test program and its dependency; LARDER_NODE_MODULES names one that is installed already."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", *PROGRAMS):
        shutil.copy(SOURCE / name, folder)
    given = os.environ.get("LARDER_NODE_MODULES")
    if given:
        (folder / "node_modules").symlink_to(Path(given).resolve())
        return folder
    install = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if install.returncode != 0:
        pytest.skip(f"npm could not install the package redis: {install.stderr.strip()[-300:]}")
    return folder


@pytest.mark.parametrize("protocol", ["2", "3"])
@pytest.mark.parametrize("transport", ["tcp", "unix"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_promise_holds(server, installed, transport, protocol, program):
    where = f"redis://127.0.0.1:{server.port}" if transport == "tcp" else server.unix_path
    result = subprocess.run(
        ["node", program, where, protocol],
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "ok\n"), result.stdout + result.stderr
