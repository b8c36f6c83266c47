"""The facts without which a figure means nothing: the machine, the programs' versions, the date, and the noise."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform
import subprocess


def first_line(*command, cwd=None):
    """First line that a command prints, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=True,
                              stdin=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0] or None


def field_of(path, name):
    """Value of a `name : value` line of a file under /proc, or None."""
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def stolen_ticks():
    """Ticks of all cores so far, and of them those that the hypervisor gave to others."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    return sum(fields[:8]), fields[7]


def commit(root):
    """The checked-out commit, marked as dirty when tracked files differ from it."""
    return first_line("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*", cwd=root) or "unknown"


def facts(settings, root):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": field_of("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory": field_of("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_average_before": os.getloadavg(),
        "larder": first_line(settings.larder, "--version"),
        "redis": first_line(settings.redis, "--version"),
        "commit": commit(root),
        "server_core": settings.server_core,
        "load_core": settings.load_core,
        "transport": "Unix socket" if settings.uses_unix_socket else "TCP over loopback",
    }
