"""The program: gibson [-c FILE] [--OPTION VALUE].... It never daemonizes.

GIBSON_CLOCK in the environment names a file with a number of seconds that the server's clock is ahead, read at each
turn of its clockwork, so that tests need not wait for time to pass.
"""

import argparse
import os
import signal
import sys
import time

from .model import Model
from .server import Server
from .settings import OPTIONS, ConfigError, Settings

VERSION = "1.2.1"
DEFAULT_CONFIG = "/etc/gibson/gibson.conf"
LEVELS = ("DBG", "INF", "WAR", "ERR", "CRT")
LONGEST_LOG_TEXT = 254


def parse_arguments():
    parser = argparse.ArgumentParser(prog="gibson", description=f"Gibson {VERSION}, a reference server for tests")
    parser.add_argument("-c", "--config", default=DEFAULT_CONFIG, metavar="FILE")
    for name in OPTIONS:
        parser.add_argument(f"--{name}", metavar="VALUE")
    return parser.parse_args()


def load_settings(arguments):
    settings = Settings()
    settings.read_file(arguments.config)
    for name in OPTIONS:
        if getattr(arguments, name) is not None:
            settings.set_text(name, getattr(arguments, name))
    return settings


def make_log(settings):
    log_file = open(settings.logfile, "a", encoding="utf-8")

    def log(level, text):
        if level >= settings.loglevel:
            stamp = time.strftime("%m/%d/%Y %H:%M:%S")
            print(f"[{stamp}] [{LEVELS[level]}] {text[:LONGEST_LOG_TEXT]}", file=log_file, flush=True)

    return log


def make_clock():
    path = os.environ.get("GIBSON_CLOCK")

    def clock():
        try:
            with open(path, encoding="ascii") as ahead:
                return time.time() + float(ahead.read())
        except (FileNotFoundError, ValueError):
            return time.time()

    return clock if path else time.time


def limit_memory(settings, physical_memory, log):
    if settings.max_memory > physical_memory:
        settings.max_memory = physical_memory // 2
        log(2, f"max_memory is more than there is, lowered to {settings.max_memory} bytes")


def write_pid(settings, log):
    try:
        with open(settings.pidfile, "w", encoding="ascii") as pid_file:
            pid_file.write(str(os.getpid()))
    except OSError as error:
        log(2, f"no pid file: {error}")


def main():
    try:
        settings = load_settings(parse_arguments())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    log, clock = make_log(settings), make_clock()
    physical_memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit_memory(settings, physical_memory, log)
    model = Model(settings, now=int(clock()))
    model.physical_memory = physical_memory
    try:
        server = Server(model, clock, log)
    except OSError as error:
        log(3, f"can not listen: {error}")
        return 1

    def stop(_signal, _frame):
        server.is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    write_pid(settings, log)
    log(1, f"serving {settings.unix_socket or f'{settings.address}:{settings.port}'}")
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
