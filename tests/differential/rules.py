"""How two replies are compared where equal bytes cannot be promised.

A rule takes the two replies as trees (see support/resp.py) and says whether they mean the same. Every rule carries its
reason; a command without a rule is compared byte for byte. Errors are always compared byte for byte.
"""

# Each server computes a deadline when it runs the command: this much a busy machine may put between the two.
TOLERANCE_MS = 5000


def near_milliseconds(ours, theirs):
    """Time passes between the two servers' answers; negative answers (no key, no deadline) are exact."""
    if ours[0] != ":" or theirs[0] != ":":
        return False
    a, b = int(ours[1]), int(theirs[1])
    return a >= 0 and b >= 0 and abs(a - b) <= TOLERANCE_MS


def near_seconds(ours, theirs):
    """As near_milliseconds, for commands that answer in seconds."""
    if ours[0] != ":" or theirs[0] != ":":
        return False
    a, b = int(ours[1]), int(theirs[1])
    return a >= 0 and b >= 0 and abs(a - b) <= TOLERANCE_MS // 1000


def same_members(ours, theirs):
    """The order is that of a hash table with a random seed."""
    return ours[0] == theirs[0] and ours[0] in "*~" and sorted(ours[1]) == sorted(theirs[1])


def scan_shape(ours, theirs):
    """Cursors are opaque and a step may return any number of keys: only the shape is common."""

    def well_formed(tree):
        if tree[0] != "*" or len(tree[1]) != 2:
            return False
        (cursor_kind, cursor), (keys_kind, keys) = tree[1]
        return cursor_kind == "$" and cursor.isdigit() and keys_kind == "*" and all(kind == "$" for kind, _ in keys)

    return well_formed(ours) and well_formed(theirs)


def whole_scan(ours, theirs):
    """A COUNT larger than the keyspace returns everything at once, in the order of a hash table with a random seed."""
    return scan_shape(ours, theirs) and ours[1][0] == theirs[1][0] and sorted(ours[1][1][1]) == sorted(theirs[1][1][1])


def any_key(ours, theirs):
    """RANDOMKEY is random; an empty database answers null, which is exact."""
    return ours[0] == theirs[0] == "$" and ours[1] is not None and theirs[1] is not None


def time_of_day(ours, theirs):
    """The clock goes on between the two answers."""

    def microseconds(tree):
        if tree[0] != "*" or len(tree[1]) != 2 or any(kind != "$" for kind, _ in tree[1]):
            return None
        return int(tree[1][0][1]) * 1_000_000 + int(tree[1][1][1])

    a, b = microseconds(ours), microseconds(theirs)
    return a is not None and b is not None and abs(a - b) <= TOLERANCE_MS * 1000


def small_integer(ours, theirs):
    """OBJECT REFCOUNT of a shared small integer, IDLETIME: true of an implementation, not of the protocol."""
    return ours[0] == theirs[0] == ":" and int(ours[1]) >= 0


def positive_integer(ours, theirs):
    """Sizes in memory and client ids are the server's own."""
    return ours[0] == theirs[0] == ":" and int(ours[1]) > 0 and int(theirs[1]) > 0


def hello(ours, theirs):
    """The versions differ by intent and ids are the server's own; everything else, its order included, is the same."""

    def masked(tree):
        items = list(tree[1])
        for at in range(0, len(items) - 1, 2):
            if items[at][1] == b"version":
                items[at + 1] = "version"
            if items[at][1] == b"id":
                items[at + 1] = "id of kind " + items[at + 1][0]
        return tree[0], items

    return ours[0] in "*%" and theirs[0] in "*%" and masked(ours) == masked(theirs)


def command_info(ours, theirs):
    """Flags and categories are sets; tips changed between 7.0 and 7.2 and are checked by the integration tests; notes
    are prose."""

    def without_notes(spec):
        items = list(spec[1])
        names = [name for _, name in items[::2]]
        if b"notes" in names:
            at = 2 * names.index(b"notes")
            del items[at : at + 2]
        return spec[0], items

    def tidy(entry):
        if entry[1] is None or len(entry[1]) < 10:
            return entry
        name, arity, flags, first, last, step, categories, _tips, key_specs, subcommands = entry[1]
        key_specs = key_specs[0], [without_notes(spec) for spec in key_specs[1]]
        return (
            entry[0],
            name,
            arity,
            flags[0],
            sorted(flags[1]),
            first,
            last,
            step,
            categories[0],
            sorted(categories[1]),
            key_specs,
            sorted(map(str, map(tidy, subcommands[1]))),
        )

    return ours[0] == theirs[0] == "*" and [tidy(entry) for entry in ours[1]] == [tidy(entry) for entry in theirs[1]]


def help_text(ours, theirs):
    """The texts are each server's own; the first line, and what is said about HELP itself, are the same."""

    def frame(tree):
        lines = tree[1]
        return tree[0], lines[0], lines[-2:]

    return frame(ours) == frame(theirs) if ours[0] == theirs[0] == "*" else ours == theirs


def picture(ours, theirs):
    """LOLWUT is art; it ends with the name and version of who drew it."""
    return ours[0] == theirs[0] and ours[1].split(b"\n")[-2:-1] != [b""] and ours[1].endswith(b"\n")


BY_COMMAND = {
    "TTL": near_seconds,
    "EXPIRETIME": near_seconds,
    "PTTL": near_milliseconds,
    "PEXPIRETIME": near_milliseconds,
    "KEYS": same_members,
    "SCAN": scan_shape,
    "RANDOMKEY": any_key,
    "TIME": time_of_day,
    "HELLO": hello,
    "LOLWUT": picture,
}

BY_SUBCOMMAND = {
    ("OBJECT", "REFCOUNT"): small_integer,
    ("OBJECT", "IDLETIME"): small_integer,
    ("MEMORY", "USAGE"): positive_integer,
    ("CLIENT", "ID"): positive_integer,
    ("COMMAND", "INFO"): command_info,
}


def rule_for(words):
    upper = [
        str(word if isinstance(word, str) else word.decode("latin-1")).upper()
        if isinstance(word, (str, bytes))
        else str(word)
        for word in words[:2]
    ]
    if not upper:
        return None
    if upper[0] == "SCAN" and is_whole_scan(words):
        return whole_scan
    if upper[1:] == ["HELP"]:
        return help_text
    if upper[0] in BY_COMMAND:
        return BY_COMMAND[upper[0]]
    return BY_SUBCOMMAND.get(tuple(upper))


WHOLE_SCAN_COUNT = 1_000_000


def is_whole_scan(words):
    """SCAN 0 ... COUNT 1000000 as its last option: one step returns everything (the tests keep far fewer keys)."""
    return len(words) > 3 and words[1] in (0, "0", b"0") and words[-1] == WHOLE_SCAN_COUNT
