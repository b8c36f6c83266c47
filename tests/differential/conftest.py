"""One pair of servers for all differential tests; a test that changes their configuration starts its own."""

import pytest

from .pair import Pair


@pytest.fixture(scope="session")
def session_pair(binary, reference):
    pair = Pair(binary, reference)
    yield pair
    pair.stop()


@pytest.fixture
def pair(request, session_pair):
    """The two servers, emptied, with fresh connections."""
    request.node.servers_to_show = [session_pair.larder]
    session_pair.reset()
    yield session_pair
    session_pair.close()
