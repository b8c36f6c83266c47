"""The original server's options, by their names there."""

# name: built-in default; bytes, seconds
DEFAULTS = {
    "max_memory": 2 << 30,
    "max_item_ttl": 2592000,
    "max_clients": 1024,
    "max_request_size": 4 << 20,
    "max_key_size": 512,
    "max_value_size": 4096,
    "max_response_size": 40960000,
    "gc_ratio": 900,
    "compression": 40960,
    "expired_cron": 5,
    "max_mem_cron": 15,
}


class Settings:
    """One attribute per option."""

    def __init__(self, **values):
        unknown = values.keys() - DEFAULTS.keys()
        if unknown:
            raise ValueError(f"unknown options: {', '.join(unknown)}")
        vars(self).update(DEFAULTS | values)
