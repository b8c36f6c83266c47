"""ACL beside redis-server: what rules are accepted, what they mean, how refusals read.

redis-server 7.0 differs from 7.2, whose manner is wanted here, in three ways that are translated: refusals name the user
since 7.2; new users are told to be "sanitize-payload"; and the rules about commands are told as they were written. The last
are compared by what they permit.
"""

import random
import re

import pytest

from support.resp import as_bytes, decode, encode
from support.server import Server

from .acl_table import CASES, INVOCATIONS, RULES
from .pair import Pair, show, show_reply
from .rules import help_text

NOPERM_7_0 = {
    b"-NOPERM this user has no permissions to access one of the keys used as arguments": b"-NOPERM No permissions to access a key",
    b"-NOPERM this user has no permissions to access one of the channels used as arguments": b"-NOPERM No permissions "
    b"to access a channel",
}


def as_in_7_2(reply, user):
    """A reply of redis-server 7.0 in the words of 7.2."""
    for old, new in NOPERM_7_0.items():
        reply = reply.replace(old, new)
    reply = reply.replace(b"NOPERM this user has", b"NOPERM User %b has" % as_bytes(user))
    old = re.fullmatch(rb"\+This user (.*)\r\n|\$\d+\r\nThis user (.*)\r\n", reply, re.DOTALL)
    if old:
        text = b"User %b %b" % (as_bytes(user), old.group(1) or old.group(2))
        reply = b"$%d\r\n%b\r\n" % (len(text), text)
    return reply


def describe(connection, user):
    """Flags, passwords, keys and channels of a user and its selectors, without the commands."""
    reply = connection.ask("ACL", "GETUSER", user)
    if not reply[1]:
        return None

    def fields(tree):
        return {tree[1][at][1]: tree[1][at + 1] for at in range(0, len(tree[1]), 2)}

    def patterns(tree):
        return fields(tree)[b"keys"], fields(tree)[b"channels"]

    flags = [flag for _, flag in fields(reply)[b"flags"][1] if flag != b"sanitize-payload"]
    return (
        flags,
        fields(reply)[b"passwords"],
        patterns(reply),
        [patterns(selector) for selector in fields(reply)[b"selectors"][1]],
    )


@pytest.fixture
def acl(pair):
    """The pair, with no user but the default one."""

    def clean():
        for connection in pair.connections:
            names = [name for _, name in connection.ask("ACL", "USERS")[1] if name != b"default"]
            if names:
                connection.command("ACL", "DELUSER", *names)
            connection.command("ACL", "LOG", "RESET")

    clean()
    yield pair
    pair.open()
    clean()


def both(acl, *words, user="u"):
    """The same command to both; the reply of both, which must be the same."""
    ours, theirs = (connection.command(*words) for connection in acl.connections)
    assert ours == as_in_7_2(theirs, user), f"{show(words)}\n  {show_reply(ours)}\n  {show_reply(theirs)}"
    return ours


def trial(acl, user, words):
    return both(acl, "ACL", "DRYRUN", user, *words, user=user)


@pytest.fixture(scope="module")
def shared_commands(session_pair):
    """Commands and subcommands that both servers have, with a number of words that each takes."""
    known = []
    for server in (session_pair.larder, session_pair.reference):
        names = {name.decode() for _, name in server.raw().ask("COMMAND", "LIST")[1]}
        known.append(names)
    names = sorted(name for name in known[0] & known[1] if name not in ("debug", "command", "shutdown"))
    infos = session_pair.reference.raw().ask("COMMAND", "INFO", *names)[1]
    return {name: abs(int(info[1][1][1])) for name, info in zip(names, infos) if not info[1][9][1]}


# redis-server takes these, and does not see what stands behind a zero byte, drops a selector, or writes ACL files that it
# cannot read.
STRICTER = [["+get|a b"], ["(~a\"b)"], ["(+get 'x)"], [b"on\x00"]]


@pytest.mark.parametrize("protocol", [2, 3])
def test_rules_are_accepted_and_refused_in_the_same_words(acl, protocol):
    acl.compare([("HELLO", protocol)])
    wrong = []
    for rules in RULES:
        replies = [connection.command("ACL", "SETUSER", "u", *rules) for connection in acl.connections]
        described = [describe(connection, "u") for connection in acl.connections]
        if replies[0] != replies[1] or described[0] != described[1]:
            wrong.append(f"{rules!r}\n    {replies[0]!r} {described[0]}\n    {replies[1]!r} {described[1]}")
        for connection in acl.connections:
            connection.command("ACL", "DELUSER", "u")
    assert not wrong, "\n".join(wrong)


@pytest.mark.larder_only("redis-server accepts rules that it cannot read back from a file")
@pytest.mark.parametrize("rules", STRICTER, ids=repr)
def test_rules_that_could_not_be_saved_are_refused(acl, rules):
    assert b": Syntax error" in acl.connections[0].command("ACL", "SETUSER", "u", *rules)


def test_rules_mean_the_same(acl, shared_commands):
    """Whatever of the table is accepted permits the same commands."""
    for rules in RULES:
        if both(acl, "ACL", "SETUSER", "u", "reset", *rules) == b"+OK\r\n":
            for name, count in shared_commands.items():
                words = name.split("|")
                trial(acl, "u", [*words, *["0"] * (count - len(words))])


@pytest.mark.parametrize("protocol", [2, 3])
def test_subcommands_are_answered_alike(acl, protocol):
    acl.compare([("HELLO", protocol), ("ACL", "SETUSER", "bob", "on", ">bob", "~a*", "+get", "+client|id", "&x")])
    wrong = []
    for words in INVOCATIONS:
        ours, theirs = (connection.command(*words) for connection in acl.connections)
        theirs = as_in_7_2(theirs, "bob")
        if ours != theirs and not (words[1:] == ("HELP",) and help_text(decode(ours), decode(theirs))):
            wrong.append(f"{show(words)}\n    {show_reply(ours)}\n    {show_reply(theirs)}")
    assert not wrong, "\n".join(wrong)


def test_categories_hold_the_same_commands(acl, shared_commands):
    for _, category in acl.connections[1].ask("ACL", "CAT")[1]:
        ours, theirs = (
            {name.decode() for _, name in connection.ask("ACL", "CAT", category)[1]} & shared_commands.keys()
            for connection in acl.connections
        )
        assert ours == theirs, category


@pytest.mark.parametrize("bits", [None, 1, 4, 5, 128, 4096])
def test_generated_passwords_have_the_same_shape(acl, bits):
    words = ["ACL", "GENPASS"] + ([str(bits)] if bits else [])
    ours, again, theirs = (acl.connections[at].ask(*words)[1] for at in (0, 0, 1))
    assert len(ours) == len(theirs) and re.fullmatch(rb"[0-9a-f]+", ours)
    assert bits in (1, 4, 5) or ours != again


@pytest.mark.parametrize("case", range(len(CASES)))
def test_users_may_run_the_same_commands(acl, case):
    rules, commands = CASES[case]
    both(acl, "ACL", "SETUSER", "u", *rules)
    for words in commands:
        trial(acl, "u", words)


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("is_queued", [False, True], ids=["at_once", "queued"])
def test_refusals_read_the_same(acl, case, is_queued):
    """The commands are run: what is refused is refused in the same words, at the same moment, and logged the same way."""
    rules, commands = CASES[case]
    rules = ["on", "nopass", *rules, "+multi", "+exec"]
    commands = [words for words in commands if words[0] not in ("AUTH", "HELLO", "QUIT", "RESET", "DEBUG", "MULTI")]
    commands = [words for words in commands if not words[0].endswith("SUBSCRIBE") and words[1:] != ("KILL", "x")]
    both(acl, "ACL", "SETUSER", "u", *rules)
    servers = acl.larder, acl.reference
    clients = [server.raw() for server in servers]
    for words in [("AUTH", "u", "x"), *commands]:
        if is_queued and words[0] != "AUTH":
            sequence = [("MULTI",), words, ("EXEC",)]
        else:
            sequence = [words]
        for one in sequence:
            ours, theirs = (client.command(*one) for client in clients)
            if not ours.startswith(b"-") and not theirs.startswith(b"-") and one[0] in ("EXEC", *UNCOMPARED):
                continue
            assert ours == as_in_7_2(theirs, "u"), show(one)
    assert read_log(acl.connections[0]) == read_log(acl.connections[1])


def test_what_may_not_stand_in_a_transaction_is_refused_for_that_first(acl):
    """Whether the user may say it or not; it is no refusal of the ACL then, and is not logged as one."""
    both(acl, "ACL", "SETUSER", "u", "on", "nopass", "+@all", "-shutdown", "~*")
    both(acl, "CONFIG", "RESETSTAT")
    commands = [
        ("AUTH", "u", "x"),
        ("SHUTDOWN", "NOSAVE"),
        ("MULTI",),
        ("SHUTDOWN", "NOSAVE"),
        ("SHUTDOWN", "NONSENSE"),
        ("SHUTDOWN", 1, 2, 3, 4, 5),
        ("GET", "key"),
        ("EXEC",),
        ("GET", "key"),
    ]
    clients = [server.raw() for server in (acl.larder, acl.reference)]
    for words in commands:
        ours, theirs = (client.command(*words) for client in clients)
        assert ours == as_in_7_2(theirs, "u"), show(words)
    logs = [read_log(connection) for connection in acl.connections]
    assert logs == 2 * [[(b"1", b"command", b"toplevel", b"shutdown", b"u")]]

    def rejected(connection):
        return re.search(rb"cmdstat_shutdown:.*(rejected_calls=\d+)", connection.ask("INFO", "commandstats")[1])[1]

    assert rejected(acl.connections[0]) == rejected(acl.connections[1])


UNCOMPARED = ("CLIENT", "CONFIG", "KEYS", "SCAN", "RANDOMKEY", "COMMAND", "TTL", "ACL", "MEMORY", "OBJECT")


def read_log(connection, count=100):
    """The log without times, numbers and clients."""
    entries = []
    for _, fields in connection.ask("ACL", "LOG", count)[1]:
        entry = {fields[at][1]: fields[at + 1][1] for at in range(0, len(fields), 2)}
        entries.append(tuple(entry[name] for name in (b"count", b"reason", b"context", b"object", b"username")))
    return entries


def test_failed_logins_read_and_are_logged_the_same(acl):
    both(acl, "ACL", "SETUSER", "u", "on", ">right", "+auth")
    both(acl, "ACL", "SETUSER", "off", ">right", "+auth")
    clients = [server.raw() for server in (acl.larder, acl.reference)]
    for words in [
        ("AUTH", "u", "wrong"),
        ("AUTH", "u", ""),
        ("AUTH", "off", "right"),
        ("AUTH", "nobody", "right"),
        ("AUTH", "", ""),
        ("AUTH", "U", "right"),
        ("HELLO", "2", "AUTH", "u", "wrong"),
        ("HELLO", "2", "AUTH", "nobody", "wrong"),
        ("AUTH", "u", "right"),
        ("AUTH", "u", "wrong"),
        ("GET", "x"),
        ("MULTI",),
        ("AUTH", "x"),
        ("RESET",),
        ("ACL", "WHOAMI"),
        ("AUTH", "x" * 2000, "y"),
    ]:
        ours, theirs = (client.command(*words) for client in clients)
        assert ours == as_in_7_2(theirs, "u"), show(words)
    logs = [read_log(connection) for connection in acl.connections]
    logs = [[tuple(field[:1000] if isinstance(field, bytes) else field for field in entry) for entry in log] for log in logs]
    for ours, theirs in zip(*logs):
        assert ours == theirs
    assert len(logs[0]) == len(logs[1])


def test_the_log_groups_and_forgets_alike(acl):
    both(acl, "ACL", "SETUSER", "u", "on", "nopass", "+get", "~a", "+multi", "+exec")
    clients = [server.raw() for server in (acl.larder, acl.reference)]
    random_words = random.Random(5)
    for words in [("AUTH", "u", "x")] + [
        random_words.choice([("GET", f"k{random_words.randrange(14)}"), ("SET", "a", "b"), ("MULTI",), ("EXEC",)])
        for _ in range(300)
    ]:
        ours, theirs = (client.command(*words) for client in clients)
        assert ours == as_in_7_2(theirs, "u")
    for count in (0, 1, 5, 100):
        assert read_log(acl.connections[0], count) == read_log(acl.connections[1], count)
    both(acl, "CONFIG", "SET", "acllog-max-len", 3)
    for client in clients:
        client.command("GET", "one more")
    assert read_log(acl.connections[0]) == read_log(acl.connections[1])
    both(acl, "CONFIG", "SET", "acllog-max-len", 128)
    both(acl, "ACL", "LOG", "RESET")
    assert read_log(acl.connections[0]) == []


def test_rules_that_change_during_a_transaction_are_asked_again(acl):
    both(acl, "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+get", "+publish", "+config|get", "+multi", "+exec")
    clients = [server.raw() for server in (acl.larder, acl.reference)]

    def say(*words):
        ours, theirs = (client.command(*words) for client in clients)
        assert ours == as_in_7_2(theirs, "u"), show(words)

    for rules in (["resetkeys"], ["resetchannels", "~*"], ["-config", "&*"], ["-@all", "+exec", "+multi"]):
        both(acl, "ACL", "SETUSER", "u", "reset", "on", "nopass", "~*", "&*", "+get", "+publish", "+config|get", "+multi", "+exec")
        say("AUTH", "u", "x")
        for words in (("MULTI",), ("GET", "a"), ("PUBLISH", "c", "m"), ("CONFIG", "GET", "nothing"), ("GET", "b")):
            say(*words)
        both(acl, "ACL", "SETUSER", "u", *rules)
        say("EXEC")
    both(acl, "ACL", "SETUSER", "u", "reset", "on", "nopass", "+multi")
    for words in (("AUTH", "u", "x"), ("MULTI",), ("GET", "a"), ("EXEC",), ("DISCARD",)):
        say(*words)
    assert read_log(acl.connections[0]) == read_log(acl.connections[1])


DEFAULT_STEPS = [
    ("CONFIG", "SET", "requirepass", "a"),
    ("CONFIG", "SET", "requirepass", "b"),
    ("CONFIG", "SET", "requirepass", ""),
    ("CONFIG", "SET", "requirepass", "a", "maxclients", "0"),
    ("ACL", "SETUSER", "default", ">a"),
    ("ACL", "SETUSER", "default", ">c"),
    ("ACL", "SETUSER", "default", "nopass"),
    ("ACL", "SETUSER", "default", "resetpass"),
    ("ACL", "SETUSER", "default", "off"),
    ("ACL", "SETUSER", "default", "on"),
    ("CONFIG", "GET", "requirepass"),
]


def test_requirepass_and_the_default_user_follow_each_other_alike(binary, reference, seed):
    """Random steps on one connection; after each, a new connection, one that waits and one that has logged in try theirs."""
    pair = Pair(binary, reference)
    try:
        dice = random.Random(seed)
        pair.open()
        waiting = [server.raw() for server in (pair.larder, pair.reference)]
        inside = [server.raw() for server in (pair.larder, pair.reference)]
        for connection in inside:
            connection.command("AUTH", "default", "x")
        done = []
        for _ in range(150):
            step = dice.choice(DEFAULT_STEPS)
            if step[-1] == "0":  # redis-server lets everybody in when this is undone: see the next test
                continue
            done.append(step)
            ours, theirs = (connection.command(*step) for connection in pair.connections)
            assert ours == theirs, done
            assert describe(pair.connections[0], "default") == describe(pair.connections[1], "default"), done
            newcomers = [server.raw() for server in (pair.larder, pair.reference)]
            for clients in (newcomers, waiting, inside):
                for words in (("ECHO", "x"), ("AUTH", "a"), ("AUTH", "default", "c"), ("ECHO", "x"), ("ACL", "WHOAMI")):
                    if clients is not newcomers and words[0] == "AUTH":
                        continue
                    ours, theirs = (client.command(*words) for client in clients)
                    assert ours == as_in_7_2(theirs, "default"), (done, words)
            for client in newcomers:
                client.close()
    finally:
        pair.stop()


def words_for(dice, name, count):
    words = name.split("|")
    return [*words, *(dice.choice(KEYS) for _ in range(count - len(words) + dice.randrange(2)))]


KEYS = ["a", "a1", "ab", "b", "b1", "c", "x", ""]
PATTERNS = ["a*", "b*", "a?", "[ab]1", "x", "*1", "", "c"]


def random_modifier(dice, commands, categories):
    def command():
        return dice.choice(commands)

    def container():
        return command().split("|")[0]

    def pattern():
        return dice.choice(PATTERNS)

    def selector():
        return "(" + " ".join(in_selector() for _ in range(dice.randrange(5))) + ")"

    def in_selector():
        return dice.choice(
            [
                lambda: "+" + command(),
                lambda: "+" + command(),
                lambda: "-" + command(),
                lambda: "+" + container(),
                lambda: "-" + container(),
                lambda: "+@" + dice.choice(categories),
                lambda: "-@" + dice.choice(categories),
                lambda: dice.choice(["+@all", "-@all", "allcommands", "nocommands"]),
                lambda: "+get|" + dice.choice(KEYS[:-1]),
                lambda: "~" + pattern(),
                lambda: "%R~" + pattern(),
                lambda: "%W~" + pattern(),
                lambda: dice.choice(["allkeys", "resetkeys", "resetkeys", "~*"]),
                lambda: "&" + pattern(),
                lambda: dice.choice(["allchannels", "resetchannels", "resetchannels"]),
            ]
        )()

    return dice.choice([in_selector, in_selector, in_selector, in_selector, selector, outer])()


def outer():
    return random.choice(["on", "off", "reset", "clearselectors", "nopass", "resetpass", ">pw", "<pw"])


def test_random_rules_mean_the_same(acl, shared_commands, seed):
    """Users change step by step; what is accepted, how it is told, and what it permits stays the same. The rules as Larder
    tells them, given to redis-server, permit the same there."""
    dice = random.Random(seed)
    random.seed(seed)
    commands = sorted(shared_commands)
    categories = [name.decode() for _, name in acl.connections[1].ask("ACL", "CAT")[1]]
    for step in range(400):
        user = f"u{dice.randrange(3)}"
        modifiers = [random_modifier(dice, commands, categories) for _ in range(dice.randrange(1, 5))]
        both(acl, "ACL", "SETUSER", user, *modifiers)
        described = [describe(connection, user) for connection in acl.connections]
        assert described[0] == described[1], (step, modifiers)
        for name in dice.sample(commands, 12):
            trial(acl, user, words_for(dice, name, shared_commands[name]))
        if step % 10 == 9:
            compare_retold(acl, user, dice, shared_commands)


def compare_retold(acl, user, dice, shared_commands):
    line = next(line for _, line in acl.connections[0].ask("ACL", "LIST")[1] if line.startswith(b"user %b " % user.encode()))
    words = line.split(b" ")[2:]
    for connection in acl.connections:
        assert connection.command("ACL", "SETUSER", "retold", "reset", *words) == b"+OK\r\n", line
    assert describe(acl.connections[0], "retold") == describe(acl.connections[1], user)
    retold = acl.connections[0].ask("ACL", "GETUSER", "retold")
    assert retold == acl.connections[0].ask("ACL", "GETUSER", user)
    for name in sorted(shared_commands):
        words = words_for(dice, name, shared_commands[name])
        trial(acl, "retold", words)
        answers = [acl.connections[0].command("ACL", "DRYRUN", who, *words) for who in (user, "retold")]
        assert (answers[0] == b"+OK\r\n") == (answers[1] == b"+OK\r\n")


# ---- Files ----

LARDER_LOG = re.compile(r"Aborting (?:Larder|Redis) startup because of ACL errors: (.*)")

# What ACL files hold, or what is wrong with them.
FILES = {
    "users": "user default on nopass +@all ~*\nuser bob on >x +get\n",
    "empty": "",
    "blank_lines": "\n\n   \nuser bob on\n",
    "only_bob": "user bob on >b +get ~x\n",
    "no_newline": "user a on\nuser b off",
    "trimmed": "   user a on  \r\n\tuser b off\t\n",
    "blanks_between_rules": "user a  on   >x   (+get   ~x)   (  +set )\n",
    "selectors": "user c (+get ~x) ( +set ~y ) ( +get ~z\t) (&a)\n",
    "hash": "user a on #2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n",
    "quotes_are_letters": 'user a on ~"x" &\'y\'\n',
    "empty_name": "user  on +get\n",
    "default_off": "user default off\n",
    "first_argument": "user a +select|0\n",
    "bogus": "bogus\n",
    "user_alone": "user\n",
    "comment": "# users\nuser a on\n",
    "upper_case": "USER a on\n",
    "bad_rule": "user a foo\n",
    "unknown_command": "user a +foo\n",
    "several_faults": "user a +foo -bar\nuser b on +bar extra more\n\nxuser foo\nuser c +foo\n",
    "tab_in_name": "user b\toff\n",
    "bad_hash": "user a #abc\n",
    "missing_password": "user a <foo\n",
    "useless_key": "user a ~* ~b\n",
    "useless_channel": "user a &* &b\n",
    "subcommand_argument": "user a +config|get|x\n",
    "three_blanks": "user default on\nuser   c\n",
    "selector_fault": "user a (+foo) (on) (~* ~a)\n",
}
# redis-server 7.0 says less about these, or crashes.
OWN_FAULTS = {
    "duplicate": ("user a on\n\nuser a off\n", "{path}:3: Duplicate user 'a' found. "),
    "duplicate_default": ("user default on\nuser default off\n", "{path}:2: Duplicate user 'default' found. "),
    "unmatched": ("user a on\nuser b +get (+get\n", "{path}:2: Unmatched parenthesis in selector definition. "),
    "unmatched_and_more": (
        "user a (+get)x\nuser b foo\n",
        "{path}:1: Unmatched parenthesis in selector definition. {path}:2: Syntax error. ",
    ),
    "no_secrets": ("user a >secret <other >more\n", "{path}:1: The password you are trying to remove from the user does not exist. "),
}
END = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"


def start_with_users(which, folder, text):
    """The server, or what it said when it gave up."""
    path = folder / "users.acl"
    path.write_bytes(text.encode())
    try:
        return Server(which, options={"aclfile": str(path)})
    except AssertionError as refusal:
        found = LARDER_LOG.search(str(refusal))
        assert found, refusal
        return found.group(1)


@pytest.mark.parametrize("name", FILES)
def test_acl_files_are_read_alike(binary, reference, tmp_path, name, request):
    servers = [start_with_users(which, tmp_path, FILES[name]) for which in (binary, reference)]
    running = [server for server in servers if isinstance(server, Server)]
    try:
        if len(running) < 2:
            assert [re.sub(r"'(?=/)", "", text) for text in servers] == [servers[0]] * 2
            return
        seen = [ask_users(server) for server in servers]
        assert seen[0] == seen[1]
    finally:
        for server in running:
            server.stop()


def ask_users(server):
    connection = server.raw()
    if connection.command("ACL", "WHOAMI") == b"-NOAUTH Authentication required.\r\n":
        return "closed"
    names = [name for _, name in connection.ask("ACL", "USERS")[1]]
    return [(name, describe(connection, name)) for name in names]


@pytest.mark.larder_only("redis-server does not name the line, or crashes")
@pytest.mark.parametrize("name", OWN_FAULTS)
def test_faults_of_acl_files_are_named_with_file_and_line(binary, tmp_path, name):
    text, expected = OWN_FAULTS[name]
    said = start_with_users(binary, tmp_path, text)
    assert said == expected.format(path=tmp_path / "users.acl") + END


def test_a_missing_acl_file_is_named(binary, reference, tmp_path):
    for which in (binary, reference):
        with pytest.raises(AssertionError, match="Error loading ACLs, opening file '.*/none.acl': No such file or directory"):
            Server(which, options={"aclfile": str(tmp_path / "none.acl")})


@pytest.mark.parametrize("name", ["users", "selectors", "blanks_between_rules", "empty_name", "quotes_are_letters"])
def test_saved_acl_files_are_read_by_the_other_server(binary, reference, tmp_path, name):
    """What either writes by ACL SAVE, the other starts with, and both mean the same by it."""
    described = []
    text = FILES[name] + ("" if "user default" in FILES[name] else "user default on nopass ~* &* +@all\n")
    for which, other in ((binary, reference), (reference, binary)):
        server = start_with_users(which, tmp_path, text)
        assert isinstance(server, Server), server
        assert server.raw().command("ACL", "SAVE") == b"+OK\r\n"
        server.stop()
        server = start_with_users(other, tmp_path, (tmp_path / "users.acl").read_text())
        assert isinstance(server, Server), server
        described.append(ask_users(server))
        server.stop()
    assert described[0] == described[1]


@pytest.mark.parametrize("name", [name for name, text in FILES.items() if "default" not in text])
def test_acl_load_replaces_all_users_or_none(binary, reference, tmp_path, name):
    seen = []
    for which in (binary, reference):
        server = start_with_users(which, tmp_path, "user default on nopass ~* &* +@all\nuser old on +get\n")
        (tmp_path / "users.acl").write_text(FILES[name])
        connection = server.raw()
        reply = connection.command("ACL", "LOAD")
        seen.append((re.sub(rb"'(?=/)", b"", reply), ask_users(server)))
        server.stop()
    assert seen[0] == seen[1]


# ---- Configuration files ----

USER_LINES = [
    "user a on +get\nuser b off\nuser default on nopass +@all\n",
    "requirepass foo\nuser bob on >b +get ~x\n",
    "requirepass foo\nuser default on >bar +@all ~*\n",
    "user default on >bar +@all ~*\nrequirepass foo\n",
    'user a "(+get ~a)" (+set "~b)"\nuser b on ">pass word" "~x"\n',
    "acl-pubsub-default allchannels\nuser a on +get\nuser b resetchannels &x\n",
]


@pytest.mark.parametrize("text", USER_LINES, ids=range(len(USER_LINES)))
def test_user_lines_mean_the_same_and_survive_a_rewrite(binary, reference, tmp_path, text):
    seen = []
    for which in (binary, reference):
        path = tmp_path / "c.conf"
        path.write_text(text)
        for start in range(2):
            server = Server(which, leading_words=[str(path)], options={"dir": str(tmp_path)})
            connection = server.raw()
            for password in ("foo", "bar", "b"):
                connection.command("AUTH", password)
            names = [name for _, name in connection.ask("ACL", "USERS")[1]]
            seen.append((start, [(name, describe(connection, name)) for name in names]))
            if start == 0:
                assert connection.command("CONFIG", "REWRITE") == b"+OK\r\n"
            server.stop()
    assert seen[0][1] == seen[1][1] == seen[2][1] == seen[3][1]
    assert seen[:2] == seen[2:]


def test_file_and_user_lines_together_are_refused(binary, reference, tmp_path):
    (tmp_path / "users.acl").write_text("user a on\n")
    (tmp_path / "c.conf").write_text("user b on\n")
    for which in (binary, reference):
        with pytest.raises(AssertionError, match="please define either an ACL file or declare users directly"):
            Server(which, leading_words=[str(tmp_path / "c.conf")], options={"aclfile": str(tmp_path / "users.acl")})


# ---- Subscribers ----


@pytest.mark.parametrize("protocol", [2, 3])
def test_subscribers_that_lose_their_channels_are_disconnected_alike(acl, protocol):
    subscriptions = {
        "two": ("SUBSCRIBE", "x1", "y1"),
        "pattern": ("PSUBSCRIBE", "x*"),
        "shard": ("SSUBSCRIBE", "x"),
        "one": ("SUBSCRIBE", "x"),
        "none": ("PING",),
    }
    both(acl, "ACL", "SETUSER", "u", "on", "nopass", "~*", "&*", "+@all")
    clients = {}
    for name, words in subscriptions.items():
        clients[name] = [server.raw() for server in (acl.larder, acl.reference)]
        for client in clients[name]:
            client.command("HELLO", protocol, "AUTH", "u", "x")
            client.send(encode(*words))
            for _ in range(max(1, len(words) - 1)):
                client.read_frame()

    def alive():
        found = []
        for at in (0, 1):
            admin = acl.connections[at]
            lines = admin.ask("CLIENT", "LIST")[1].split(b"\n")
            found.append(sorted(re.sub(rb".*( sub=\d+ psub=\d+ ssub=\d+).*", rb"\1", line) for line in lines if b"user=u " in line))
        return found

    for rules in (["&*", "&q"], ["resetchannels", "&x*"], ["&x"], ["resetchannels", "&x"], ["resetchannels"], ["reset"]):
        ours, theirs = (connection.command("ACL", "SETUSER", "u", *rules) for connection in acl.connections)
        assert ours == theirs
        ours, theirs = alive()
        assert ours == theirs, rules
