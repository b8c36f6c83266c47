"""What is shared with a forked child only by mistake: connections, which both would talk through, and locks, which
another thread of the parent may have held and nobody would release. Objects that have such start afresh in the
child."""

from __future__ import annotations

import os
import weakref


class ForkAware:
    """Its `_start_afresh` is called in a forked child, before anything else runs there."""

    def __init__(self) -> None:
        _objects.add(self)

    def _start_afresh(self) -> None:
        raise NotImplementedError


_objects: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def _start_all_afresh() -> None:
    for forked in list(_objects):
        forked._start_afresh()


os.register_at_fork(after_in_child=_start_all_afresh)
