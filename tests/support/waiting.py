"""Waiting for a condition with a deadline, the only way in which these tests wait for anything."""

import os
import time

# Sanitizers and a busy machine stretch every duration; a test that waits for a condition pays this only when it fails.
SLOWDOWN = 10 if os.environ.get("LARDER_SANITIZED") == "1" else 3

# How long a connection waits for the other side: less than a test may take, so that it can say what it waits for.
PATIENCE_S = 100


def wait_until(condition, timeout_s=10.0, what="the condition", interval_s=0.005):
    """Polls until condition() is truthy and returns its value; fails with `what` after the deadline."""
    deadline = time.monotonic() + timeout_s * SLOWDOWN
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout_s * SLOWDOWN:.1f} s in vain for {what}; last value: {value!r}")
        time.sleep(interval_s)
