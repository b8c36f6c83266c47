"""The original server's configuration: files of `key value` lines, and the same options on the command line."""

import re

SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
TIME_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
UNITS = {"int": {"": 1}, "size": SIZE_UNITS, "time": TIME_UNITS}

# name: (kind, built-in default)
OPTIONS = {
    "logfile": ("text", "/dev/stdout"),
    "loglevel": ("int", 1),
    "logflushrate": ("int", 1),
    "unix_socket": ("text", None),
    "address": ("text", "127.0.0.1"),
    "port": ("int", 10128),
    "daemonize": ("int", 0),
    "pidfile": ("text", "/var/run/gibson.pid"),
    "max_memory": ("size", 2 << 30),
    "max_item_ttl": ("int", 2592000),  # seconds
    "max_idletime": ("int", 1),  # seconds
    "max_clients": ("int", 1024),
    "max_request_size": ("size", 4 << 20),
    "max_key_size": ("size", 512),
    "max_value_size": ("size", 4096),
    "max_response_size": ("size", 40960000),
    "gc_ratio": ("time", 900),
    "compression": ("size", 40960),
    "cron_period": ("int", 100),  # milliseconds
    "expired_cron": ("time", 5),
    "max_mem_cron": ("time", 15),
}


class ConfigError(Exception):
    """The server can not start with this configuration."""


class Settings:
    """One attribute per option; numbers in bytes and seconds, but cron_period in milliseconds."""

    def __init__(self, **values):
        for name, (_kind, default) in OPTIONS.items():
            setattr(self, name, values.pop(name, default))
        if values:
            raise ConfigError(f"unknown options: {', '.join(values)}")

    def set_text(self, name, text):
        """Sets from text. A number with something behind it that is no unit falls back to the default."""
        kind, default = OPTIONS[name]
        if kind == "text":
            setattr(self, name, text)
            return
        match = re.fullmatch(r"(-?[0-9]+)([a-z]?)", text.lower())
        unit = UNITS[kind].get(match[2]) if match else None
        setattr(self, name, int(match[1]) * unit if unit else default)

    def read_file(self, path):
        """Options that do not exist are passed over; of several lines for one the last counts."""
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as lines:
                for number, line in enumerate(lines, 1):
                    self._read_line(path, number, line)
        except OSError as error:
            raise ConfigError(f"Unable to open configuration file {path}: {error.strerror}") from error

    def _read_line(self, path, number, line):
        words = line.split(None, 2)
        if line.startswith("#") or not words:
            return
        if len(words) == 1:
            raise ConfigError(f"Error on line {number} of {path}, unexpected end of line.")
        if words[0] in OPTIONS:
            self.set_text(words[0], words[1])
