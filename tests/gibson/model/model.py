"""The rules: items, operators, limits, statistics."""

import zlib
from dataclasses import dataclass

from .protocol import (
    LZF,
    Code,
    Dropped,
    Op,
    Refused,
    encode_value,
    list_reply,
    parse_number,
    reply,
    take_token,
    value_reply,
    wrap,
)

FOREVER = -1
NO_TTL = -1
META_FIELDS = ("size", "encoding", "access", "created", "ttl", "left", "lock")

# What only statistics show: plausible figures, since clients may read but not rely on them.
ITEM_HEADER_SIZE = 39
FIRST_POOL_BLOCK = 512
LARGEST_POOL_BLOCK = 131072
COMPRESSION_GAIN = 4  # bytes; compressing that saves less is not worth it


@dataclass
class Item:
    """All times in whole seconds. The ttl and the lock are both counted from `time`: setting one restarts the
    other."""

    data: object  # bytes, or int once it has been counted with
    stored_size: int
    is_compressed: bool
    time: int
    access: int
    ttl: int = NO_TTL
    lock: int = 0

    @property
    def encoding(self):
        return LZF if self.is_compressed else encode_value(self.data)[0]

    def is_expired(self, now):
        return self.ttl > 0 and now - self.time >= self.ttl

    def is_locked(self, now):
        return self.lock == FOREVER or now - self.time < self.lock


class Model:
    """A server without sockets. `tick` tells it the time; `execute` answers a request."""

    def __init__(self, settings, now=0):
        self.settings = settings
        self.now = self.started = self.last_sweep = self.last_gc = now
        self.items = {}
        self.first_item_seen = self.last_item_seen = 0
        self.clients = self.connections = self.requests = self.ticks = 0
        self.compressions = 0
        self.compression_rate = 0.0
        self.pool_blocks = [FIRST_POOL_BLOCK]
        self.used = self.peak = settings.max_response_size + settings.max_request_size
        self.physical_memory = 1 << 34
        self.resident_memory = None  # as long as nobody measures: all that is used
        self.handlers = {
            Op.SET: self.op_set,
            Op.TTL: self.op_ttl,
            Op.GET: self.op_get,
            Op.DEL: self.op_del,
            Op.INC: self.op_inc,
            Op.DEC: self.op_dec,
            Op.LOCK: self.op_lock,
            Op.UNLOCK: self.op_unlock,
            Op.MSET: self.op_mset,
            Op.MTTL: self.op_mttl,
            Op.MGET: self.op_mget,
            Op.MDEL: self.op_mdel,
            Op.MINC: self.op_minc,
            Op.MDEC: self.op_mdec,
            Op.MLOCK: self.op_mlock,
            Op.MUNLOCK: self.op_munlock,
            Op.COUNT: self.op_count,
            Op.STATS: self.op_stats,
            Op.PING: self.op_ping,
            Op.META: self.op_meta,
            Op.KEYS: self.op_keys,
            Op.END: self.op_ping,
        }

    def execute(self, opcode, payload=b""):
        """The reply's bytes and whether the connection ends after it; without a reply the bytes are empty."""
        self.requests += 1
        handler = self.handlers.get(opcode)
        if handler is None:
            return b"", True
        try:
            return handler(payload), opcode == Op.END
        except Refused as refused:
            return reply(refused.code), False
        except Dropped:
            return b"", True

    def tick(self, now):
        """A turn of the server's clockwork: requests see this time until the next."""
        self.now = now
        self.ticks += 1
        if now - self.last_sweep >= self.settings.expired_cron:
            self.last_sweep = now
            self.delete_all(key for key, item in self.items.items() if item.is_expired(now))
        if now - self.last_gc >= self.settings.max_mem_cron:
            self.last_gc = now
            if self.used > self.settings.max_memory:
                idle = max(self.settings.gc_ratio, 1)
                self.delete_all(key for key, item in self.items.items() if now - item.access >= idle)

    def connected(self):
        self.clients += 1
        self.connections += 1

    def disconnected(self):
        self.clients -= 1

    # --- items ---

    def footprint(self, key, item):
        return ITEM_HEADER_SIZE + len(key) + item.stored_size

    def account(self, difference):
        self.used += difference
        self.peak = max(self.peak, self.used)
        while len(self.items) > sum(self.pool_blocks):
            self.pool_blocks.append(min(self.pool_blocks[-1] * 2, LARGEST_POOL_BLOCK))

    def put(self, key, data):
        """Stores a new item in place of any other of this key; it has neither ttl nor lock."""
        if key in self.items:
            self.delete(key)
        size, is_compressed = len(encode_value(data)[1]), False
        if isinstance(data, bytes) and size > self.settings.compression:
            size, is_compressed = self.compress(data)
        item = self.items[key] = Item(data, size, is_compressed, time=self.now, access=self.now)
        self.account(self.footprint(key, item))
        self.last_item_seen = self.now
        self.first_item_seen = self.first_item_seen or self.now
        return item

    def compress(self, data):
        """The stored size and whether compressed. Clients see nothing else of it, so any compressor will do: this
        is zlib."""
        compressed = len(zlib.compress(data, 1))
        if compressed > len(data) - COMPRESSION_GAIN:
            return len(data), False
        self.compressions += 1
        rate = 100 - compressed * 100 / len(data)
        self.compression_rate += (rate - self.compression_rate) / self.compressions
        return compressed, True

    def delete(self, key):
        item = self.items.pop(key)
        self.account(-self.footprint(key, item))

    def delete_all(self, keys):
        for key in list(keys):
            self.delete(key)

    def find_live(self, key):
        """The item, None if there is none; an expired one goes away now."""
        item = self.items.get(key)
        if item is not None and item.is_expired(self.now):
            self.delete(key)
            return None
        return item

    def must_find(self, key):
        item = self.find_live(key)
        if item is None:
            raise Refused(Code.NOT_FOUND)
        return item

    def matching(self, prefix):
        """(key, item) for each live item under the prefix, in byte order."""
        for key in sorted(key for key in self.items if key.startswith(prefix)):
            item = self.find_live(key)
            if item is not None:
                yield key, item

    def matching_unlocked(self, prefix):
        """As `matching`, for writes: locked items are passed over, even when they have expired."""
        for key in sorted(key for key in self.items if key.startswith(prefix)):
            if self.items[key].is_locked(self.now):
                continue
            item = self.find_live(key)
            if item is not None:
                yield key, item

    def add(self, item, key, difference):
        """Adds to a number; text that reads as one becomes one, for good. Compressed text never does."""
        number = item.data
        if isinstance(number, bytes):
            number = None if item.is_compressed else parse_number(number)
        if number is None:
            raise Refused(Code.NAN)
        self.account(-self.footprint(key, item))
        item.data = wrap(number + difference)
        item.access = self.now
        item.stored_size = len(encode_value(item.data)[1])
        self.account(self.footprint(key, item))
        return item.data

    def clamp_ttl(self, ttl):
        """What TTL and MTTL store. A habit: a negative ttl reads as a huge one, so it becomes the longest allowed."""
        return self.settings.max_item_ttl if ttl < 0 else min(ttl, self.settings.max_item_ttl)

    # --- arguments ---

    def token(self, payload):
        """The only argument; whatever follows it is ignored."""
        return take_token(payload, self.settings.max_key_size)[0]

    def token_and_rest(self, payload):
        """Two arguments, of which the second is all that follows the first."""
        token, rest = take_token(payload, self.settings.max_key_size)
        if not rest:
            raise Refused(Code.ERR)
        return token, rest

    def number(self, token):
        number = parse_number(token)
        if number is None:
            raise Refused(Code.NAN)
        return number

    def value(self, rest):
        return rest[: self.settings.max_value_size]

    def check_memory(self):
        if self.used > self.settings.max_memory:
            raise Refused(Code.MEM)

    def counted(self, count):
        """The reply of an operator on a prefix that affected so many items."""
        if count == 0:
            raise Refused(Code.NOT_FOUND)
        return value_reply(count)

    # --- operators on one item ---

    def op_set(self, payload):
        self.check_memory()
        ttl, rest = self.token_and_rest(payload)
        key, value = self.token_and_rest(rest)
        ttl = self.number(ttl)
        former = self.items.get(key)
        if former is not None and former.is_locked(self.now):
            raise Refused(Code.LOCKED)
        item = self.put(key, self.value(value))
        if ttl > 0:
            item.ttl = min(ttl, self.settings.max_item_ttl)
        return value_reply(item.data)

    def op_ttl(self, payload):
        key, ttl = self.token_and_rest(payload)
        item = self.must_find(key)
        item.ttl = self.clamp_ttl(self.number(ttl))
        item.time = item.access = self.now
        return reply(Code.OK)

    def op_get(self, payload):
        item = self.must_find(self.token(payload))
        item.access = self.now
        return value_reply(item.data)

    def op_del(self, payload):
        key = self.token(payload)
        item = self.items.get(key)
        if item is not None and item.is_locked(self.now):
            raise Refused(Code.LOCKED)
        self.must_find(key)
        self.delete(key)
        return reply(Code.OK)

    def op_inc(self, payload, difference=1):
        key = self.token(payload)
        if key not in self.items:
            return value_reply(self.put(key, 1).data)  # a habit: DEC, too, starts with 1
        item = self.must_find(key)  # a habit: one that has expired is not created anew this time
        if item.is_locked(self.now):
            raise Refused(Code.LOCKED)
        return value_reply(self.add(item, key, difference))

    def op_dec(self, payload):
        return self.op_inc(payload, -1)

    def op_lock(self, payload):
        key, rest = self.token_and_rest(payload)
        item = self.must_find(key)
        time = self.number(rest)
        item.access = self.now
        if item.is_locked(self.now):
            raise Refused(Code.LOCKED)
        item.lock, item.time = time, self.now
        return reply(Code.OK)

    def op_unlock(self, payload):
        self.must_find(self.token(payload)).lock = 0
        return reply(Code.OK)

    def op_meta(self, payload):
        key, wanted = self.token_and_rest(payload)
        item = self.must_find(key)
        access, item.access = item.access, self.now
        values = {
            "size": item.stored_size,
            "encoding": item.encoding,
            "access": access,
            "created": item.time,
            "ttl": item.ttl,
            "left": item.ttl - (self.now - item.time) if item.ttl > 0 else -1,
            "lock": item.lock,
        }
        for field in META_FIELDS:  # a habit: the first that begins with the argument, or that the argument begins with
            if field.encode().startswith(wanted) or wanted.startswith(field.encode()):
                return value_reply(values[field])
        raise Refused(Code.ERR)

    # --- operators on all items under a prefix ---

    def op_mset(self, payload):
        self.check_memory()
        prefix, value = self.token_and_rest(payload)
        keys = [key for key, _ in self.matching_unlocked(prefix)]
        for key in keys:
            self.put(key, self.value(value))
        return self.counted(len(keys))

    def op_mttl(self, payload):
        prefix, rest = self.token_and_rest(payload)
        ttl = self.clamp_ttl(self.number(rest))
        items = [item for _, item in self.matching(prefix)]
        for item in items:
            item.ttl, item.time = ttl, self.now
        return self.counted(len(items))

    def op_mget(self, payload):
        prefix, rest = take_token(payload, self.settings.max_key_size)
        limit = 0
        if rest is not None:
            if not rest:
                raise Refused(Code.ERR)
            limit = self.number(rest)
        found = list(self.matching(prefix))
        if limit > 0:
            found = found[:limit]
        if not found:
            raise Refused(Code.NOT_FOUND)
        for _, item in found:
            item.access = self.now
        return list_reply([(key, item.data) for key, item in found], self.settings.max_response_size)

    def op_mdel(self, payload):
        keys = [key for key, _ in self.matching_unlocked(self.token(payload))]
        self.delete_all(keys)
        return self.counted(len(keys))

    def op_minc(self, payload, difference=1):
        count = 0
        for key, item in self.matching_unlocked(self.token(payload)):
            try:
                self.add(item, key, difference)
                count += 1
            except Refused:  # no number: passed over
                pass
        return self.counted(count)

    def op_mdec(self, payload):
        return self.op_minc(payload, -1)

    def op_mlock(self, payload):
        prefix, rest = self.token_and_rest(payload)
        time = self.number(rest)
        items = [item for _, item in self.matching(prefix) if not item.is_locked(self.now)]
        for item in items:
            item.lock, item.time = time, self.now
        return self.counted(len(items))

    def op_munlock(self, payload):
        items = [item for _, item in self.matching(self.token(payload))]
        for item in items:
            item.lock = 0
        return self.counted(len(items))  # a habit: all of them, locked or not

    def op_count(self, payload):
        items = [item for _, item in self.matching(self.token(payload))]
        for item in items:
            item.access = self.now  # a habit: counting is an access
        return value_reply(len(items))

    def op_keys(self, payload):
        keys = [key for key, _ in self.matching(self.token(payload))]
        if not keys:
            raise Refused(Code.NOT_FOUND)
        pairs = [(str(index).encode(), key) for index, key in enumerate(keys)]
        return list_reply(pairs, self.settings.max_response_size)

    # --- the server ---

    def op_ping(self, _payload):
        return reply(Code.OK)

    def op_stats(self, _payload):
        pairs = [(name.encode(), value) for name, value in self.stats().items()]
        return list_reply(pairs, self.settings.max_response_size)

    def stats(self):
        """The 27 statistics, in their order: numbers as int, text as bytes."""
        items, newest = len(self.items), self.pool_blocks[-1]
        resident = self.used if self.resident_memory is None else self.resident_memory
        return {
            "server_version": b"1.2.1",
            "server_build_datetime": b"01/01/2024 00:00:00",
            "server_allocator": b"malloc",
            "server_arch": b"64",
            "server_started": self.started,
            "server_time": self.now,
            "first_item_seen": self.first_item_seen,
            "last_item_seen": self.last_item_seen,
            "total_items": items,
            "total_compressed_items": sum(item.is_compressed for item in self.items.values()),
            "total_clients": self.clients,
            "total_cron_done": self.ticks,
            "total_connections": self.connections,
            "total_requests": self.requests,
            "item_pool_current_used": max(items - sum(self.pool_blocks[:-1]), 0),
            "item_pool_current_capacity": newest,
            "item_pool_total_capacity": sum(self.pool_blocks),
            "item_pool_object_size": ITEM_HEADER_SIZE,
            "item_pool_max_block_size": LARGEST_POOL_BLOCK,
            "memory_available": self.physical_memory,
            "memory_usable": self.settings.max_memory,
            "memory_used": self.used,
            "memory_peak": self.peak,
            "memory_fragmentation": b"%f" % (resident / self.used),
            "item_size_avg": self.used // items if items else 0,
            "compr_rate_avg": int(self.compression_rate),
            "reqs_per_client_avg": b"%f" % (self.requests / self.connections if self.connections else 0),
        }
