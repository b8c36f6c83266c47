"""Whom the tests ask: the model, or the program that GIBSON_SERVER names."""

import os

import pytest

from .peer import ModelPeer, Program, ProgramPeer


@pytest.fixture
def make_peer():
    """make_peer(max_key_size=8) -> a peer whose server has these settings."""
    peers = []

    def make(**settings):
        peers.append(ProgramPeer(**settings) if "GIBSON_SERVER" in os.environ else ModelPeer(**settings))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def peer(make_peer):
    return make_peer()


@pytest.fixture
def ask(peer):
    return peer.ask


@pytest.fixture
def start_program():
    """start_program(max_clients=2) -> a running server program, by default the reference."""
    programs = []

    def start(**settings):
        programs.append(Program(**settings))
        return programs[-1]

    yield start
    for program in programs:
        program.close()
