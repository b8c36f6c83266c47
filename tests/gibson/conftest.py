"""Whom the tests ask: the model and Larder's engine, or the program."""

import pytest

from .peer import EnginePeer, ModelPeer, Program

PEERS = {"model": ModelPeer, "larder": EnginePeer}


def make_peers(kind):
    """make(max_key_size=8) -> a peer of this kind whose server has these settings."""
    peers = []

    def make(**settings):
        peers.append(kind(**settings))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture(params=PEERS)
def make_peer(request):
    yield from make_peers(PEERS[request.param])


@pytest.fixture
def make_engine_peer():
    yield from make_peers(EnginePeer)


@pytest.fixture
def peer(make_peer):
    return make_peer()


@pytest.fixture
def ask(peer):
    return peer.ask


@pytest.fixture
def start_program():
    """start_program(max_clients=2) -> a running server program."""
    programs = []

    def start(**settings):
        programs.append(Program(**settings))
        return programs[-1]

    yield start
    for program in programs:
        program.close()
