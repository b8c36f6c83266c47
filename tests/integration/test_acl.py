"""Users and what they may do, as applications and administrators meet them: through redis-py, on every kind of server."""

import os
import random
import re
import stat
import threading

import pytest
import redis

from support.resp import Closed, RawConnection
from support.waiting import wait_until

from .test_limits import other_address

pytestmark = pytest.mark.embedded


@pytest.fixture(autouse=True)
def _only_the_default_user(server):
    yield
    with server.raw() as connection:
        names = [name for _, name in connection.ask("ACL", "USERS")[1] if name != b"default"]
        if names:
            connection.command("ACL", "DELUSER", *names)
        connection.command("ACL", "LOG", "RESET")


def log_in(server, user, password="x", transport="tcp", **arguments):
    return server.client(transport, username=user, password=password, **arguments)


def denied(server):
    info = server.client().info("stats")
    return {kind: info[f"acl_access_denied_{kind}"] for kind in ("auth", "cmd", "key", "channel")}


def test_a_user_may_do_what_its_rules_say(server, transport, r):
    assert r.acl_setuser(
        "app", enabled=True, passwords=["+x"], keys=["app:*"], commands=["+get", "+set"], channels=["app-*"]
    )
    app = log_in(server, "app", transport=transport)
    assert app.set("app:1", "v") and app.get("app:1") == b"v"
    with pytest.raises(redis.exceptions.NoPermissionError, match="^No permissions to access a key$"):
        app.get("other")
    with pytest.raises(
        redis.exceptions.NoPermissionError, match="^User app has no permissions to run the 'flushall' command$"
    ):
        app.flushall()
    with pytest.raises(redis.exceptions.AuthenticationError):
        log_in(server, "app", "wrong").get("app:1")


def test_redis_py_reads_users_back(r):
    r.acl_setuser("app", enabled=True, passwords=["+x"], keys=["a", "b"], commands=["+@read", "-keys"], channels=["c"])
    user = r.acl_getuser("app")
    assert user["enabled"] is True
    assert user["commands"] == ["-keys"] and user["categories"] == ["-@all", "+@read"]
    assert user["keys"] == ["~a", "~b"] and user["channels"] == ["&c"]
    assert r.acl_users() == ["app", "default"] and len(r.acl_list()) == 2
    assert r.acl_whoami() == "default"
    assert r.acl_deluser("app") == 1 and r.acl_getuser("app") is None
    assert "string" in r.acl_cat() and "get" in r.acl_cat("string")
    assert len(r.acl_genpass()) == 64


@pytest.mark.larder_only("7.0 tells the rules in another order, and fewer fields")
def test_answers_are_those_of_7_2(server, r):
    connection = server.raw()
    connection.command("HELLO", 3)
    assert connection.command("ACL", "SETUSER", "u", "+@all", "-@hash", "-@slow", "+get", "-@hash", "~a", "(+set ~b)")
    assert connection.ask("ACL", "GETUSER", "u") == (
        "%",
        [
            ("$", b"flags"),
            ("~", [("$", b"off"), ("$", b"sanitize-payload")]),
            ("$", b"passwords"),
            ("*", []),
            ("$", b"commands"),
            ("$", b"+@all -@slow +get -@hash"),
            ("$", b"keys"),
            ("$", b"~a"),
            ("$", b"channels"),
            ("$", b""),
            ("$", b"selectors"),
            (
                "*",
                [
                    (
                        "%",
                        [
                            ("$", b"commands"),
                            ("$", b"-@all +set"),
                            ("$", b"keys"),
                            ("$", b"~b"),
                            ("$", b"channels"),
                            ("$", b""),
                        ],
                    )
                ],
            ),
        ],
    )
    assert connection.ask("ACL", "GETUSER", "nobody") == ("_", b"")
    assert r.acl_list()[0] == "user default on nopass sanitize-payload ~* &* +@all"
    assert connection.ask("ACL", "DRYRUN", "u", "keys", "*")[1] == b"User u has no permissions to run the 'keys' command"
    assert connection.ask("ACL", "DRYRUN", "u", "get", "x")[1] == b"User u has no permissions to access the 'x' key"
    assert connection.ask("ACL", "DRYRUN", "u", "publish", "c", "m")[1] == (
        b"User u has no permissions to access the 'c' channel"
    )
    connection.command("AUTH", "nobody", "x")
    kind, fields = connection.ask("ACL", "LOG")[1][0]
    assert kind == "%" and [name for _, name in fields[::2]] == [
        b"count",
        b"reason",
        b"context",
        b"object",
        b"username",
        b"age-seconds",
        b"client-info",
        b"entry-id",
        b"timestamp-created",
        b"timestamp-last-updated",
    ]
    assert fields[11][0] == ","


def test_passwords_are_told_as_digests_only(r):
    r.acl_setuser("app", passwords=["+very-secret"])
    everything = repr(r.acl_list()) + repr(r.acl_getuser("app"))
    assert "very-secret" not in everything and re.search("#[0-9a-f]{64}", everything)


def test_clients_are_listed_and_killed_by_user(server, r):
    r.acl_setuser("app", enabled=True, nopass=True, categories=["+@all"], keys=["*"])
    clients = [server.raw() for _ in range(3)]
    for client in clients:
        assert client.command("AUTH", "app", "x") == b"+OK\r\n"
    users = [client["user"] for client in r.client_list()]
    assert users.count("app") == 3 and users.count("default") >= 1
    with pytest.raises(redis.ResponseError, match="No such user 'nobody'"):
        r.execute_command("CLIENT", "KILL", "USER", "nobody")
    assert r.execute_command("CLIENT", "KILL", "USER", "app") == 3
    for client in clients:
        with pytest.raises((Closed, OSError)):
            client.command("PING")
    assert r.ping()


def test_clients_of_a_deleted_user_are_closed(server, r):
    r.acl_setuser("app", enabled=True, nopass=True, categories=["+@all"], keys=["*"])
    connection = server.raw()
    connection.command("AUTH", "app", "x")
    r.acl_deluser("app")
    with pytest.raises((Closed, OSError)):
        connection.command("PING")
    r.acl_setuser("app", enabled=True, nopass=True)
    assert all(client["user"] == "default" for client in r.client_list())


def test_refusals_are_counted_by_kind(server, r):
    r.acl_setuser("app", enabled=True, nopass=True, commands=["+get", "+publish"], keys=["a"], channels=["c"])
    before = denied(server)
    connection = server.raw()
    for words in (
        ("AUTH", "app2", "x"),
        ("AUTH", "app", "x"),
        ("SET", "a", "x"),
        ("SET", "a", "x"),
        ("GET", "b"),
        ("PUBLISH", "d", "m"),
        ("GET", "a"),
        ("PUBLISH", "c", "m"),
    ):
        connection.command(*words)
    after = denied(server)
    assert {kind: after[kind] - before[kind] for kind in after} == {"auth": 1, "cmd": 2, "key": 1, "channel": 1}
    r.config_resetstat()
    assert set(denied(server).values()) == {0}


def test_reset_and_hello_change_the_user(server, r):
    r.acl_setuser("app", enabled=True, passwords=["+x"], commands=["+acl|whoami"])
    connection = server.raw()
    assert connection.ask("HELLO", 3, "AUTH", "app", "x")[0] == "%"
    assert connection.ask("ACL", "WHOAMI")[1] == b"app"
    assert connection.command("HELLO", 2, "AUTH", "app", "wrong").startswith(b"-WRONGPASS")
    assert connection.ask("ACL", "WHOAMI")[1] == b"app"
    connection.command("RESET")
    assert connection.ask("ACL", "WHOAMI")[1] == b"default"


def test_a_pipeline_obeys_changes_within_it(server, r):
    """Commands that are sent together run one after the other, each by the rules that hold by then."""
    r.acl_setuser("app", enabled=True, nopass=True, categories=["+@all"], keys=["*"])
    app = log_in(server, "app")
    pipeline = app.pipeline(transaction=False)
    pipeline.set("a", "1").execute_command("ACL", "SETUSER", "app", "resetkeys", "~b").get("a").get("b")
    answers = pipeline.execute(raise_on_error=False)
    assert answers[0] is True and answers[1] in (True, b"OK", "OK")
    assert isinstance(answers[2], redis.exceptions.NoPermissionError) and answers[3] is None


def test_commands_under_another_name_obey_the_rules_about_their_own(start_server):
    server = start_server(threads=2, options={"rename-command": ["GET", "FETCH"]})
    r = server.client()
    r.execute_command("ACL", "SETUSER", "app", "on", "nopass", "~*", "+get")
    connection = server.raw()
    connection.command("AUTH", "app", "x")
    assert connection.command("FETCH", "a") == b"$-1\r\n"
    r.execute_command("ACL", "SETUSER", "app", "-get")
    assert b"has no permissions to run the 'get' command" in connection.command("FETCH", "a")


@pytest.mark.needs_sockets
def test_protected_mode_follows_the_default_users_password(start_server):
    address = other_address()
    if address is None:
        pytest.skip("this machine has only loopback addresses")
    server = start_server(threads=2, options={"bind": ["127.0.0.1", address]})
    r = server.client()

    def stranger_is_let_in():
        with RawConnection((address, server.port)) as stranger:
            try:
                return stranger.command("PING") == b"-NOAUTH Authentication required.\r\n"
            except (Closed, OSError) as closed:
                assert b"DENIED" in getattr(closed, "rest", b"DENIED")
                return False

    assert not stranger_is_let_in()
    r.acl_setuser("default", enabled=True, passwords=["+x"])
    assert stranger_is_let_in()
    assert r.config_get("requirepass") == {"requirepass": ""}
    r.execute_command("ACL", "SETUSER", "default", "nopass")
    assert not stranger_is_let_in()


# ---- Files ----


def test_acl_save_keeps_mode_and_link_and_readers_see_whole_files(start_server, tmp_path):
    target, link = tmp_path / "real.acl", tmp_path / "users.acl"
    target.write_text("user default on nopass ~* &* +@all\n")
    target.chmod(0o640)
    link.symlink_to(target)
    server = start_server(threads=2, options={"aclfile": str(link)})
    r = server.client()
    is_over = threading.Event()
    broken = []

    def read():
        while not is_over.is_set():
            text = target.read_text()
            if not text.endswith("\n") or not text.startswith("user "):
                broken.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    for count in range(50):
        r.acl_setuser(f"user{count}", keys=["x" * 500])
        assert r.acl_save()
    is_over.set()
    reader.join()
    assert not broken
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert len(target.read_text().splitlines()) == 51
    assert sorted(os.listdir(tmp_path)) == ["real.acl", "users.acl"]


def test_acl_save_that_fails_leaves_the_file(start_server, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "users.acl").write_text("user default on nopass ~* &* +@all\n")
    server = start_server(options={"aclfile": str(folder / "users.acl")})
    r = server.client()
    folder.rename(tmp_path / "moved")
    with pytest.raises(redis.ResponseError, match="There was an error trying to save the ACLs"):
        r.acl_save()
    with pytest.raises(redis.ResponseError, match="Error loading ACLs, opening file '.*': No such file or directory"):
        r.acl_load()
    assert "Writing the ACL file for ACL SAVE: No such file or directory" in server.log()
    assert r.acl_users() == ["default"]


def test_every_faulty_line_is_named_and_no_password_repeated(start_server, tmp_path):
    path = tmp_path / "users.acl"
    path.write_text("user a on +nothing\nuser b >secret <other\n\nsomething\nuser c (+get\nuser a off\n")
    with pytest.raises(AssertionError) as refusal:
        start_server(options={"aclfile": str(path)})
    text = str(refusal.value)
    for line in (1, 2, 4, 5):
        assert f"{path}:{line}" in text
    assert "secret" not in text and "other" not in text
    assert "exit status 1" in text


@pytest.mark.larder_only("redis-server 7.0 rewrites the file so that it does not start again")
def test_config_rewrite_leaves_users_of_included_files_alone(start_server, tmp_path):
    (tmp_path / "users.conf").write_text("user app on nopass +get ~a\n")
    path = tmp_path / "c.conf"
    path.write_text(f"include {tmp_path}/users.conf\ntimeout 3\n")
    server = start_server(leading_words=[str(path)], options={"dir": str(tmp_path)})
    r = server.client()
    r.config_set("timeout", 5)
    assert r.config_rewrite()
    assert "user " not in path.read_text() and "timeout 5" in path.read_text()
    r.acl_setuser("app", enabled=True, keys=["b"])
    with pytest.raises(redis.ResponseError, match="users have changed that are declared in an included file"):
        r.config_rewrite()
    server.stop()
    assert start_server(leading_words=[str(path)], options={"dir": str(tmp_path)}).client().acl_users() == ["app", "default"]


@pytest.mark.larder_only("redis-server always writes the default user, who then no longer follows requirepass")
def test_config_rewrite_writes_the_default_user_only_if_it_was_changed(start_server, tmp_path):
    path = tmp_path / "c.conf"
    path.write_text("timeout 3\n")
    server = start_server(leading_words=[str(path)], options={"dir": str(tmp_path)})
    r = server.client()
    r.config_set("requirepass", "secret")
    assert r.config_rewrite()
    assert "user " not in path.read_text() and 'requirepass "secret"' in path.read_text()
    r.acl_setuser("default", enabled=True, commands=["-flushall"])
    assert r.config_rewrite()
    assert re.search("^user default on .*-flushall", path.read_text(), re.MULTILINE)


# ---- Many clients ----


def test_rules_hold_everywhere_when_their_change_is_answered(server, slow_factor):
    """Clients run while the rules go back and forth; what began and ended between two changes obeyed the rules of then."""
    admin = server.client()
    admin.acl_setuser("app", enabled=True, nopass=True, commands=["+get"], keys=["k"])
    version = [0]
    wrong = []
    is_over = threading.Event()

    def run():
        connection = server.raw()
        connection.command("AUTH", "app", "x")
        while not is_over.is_set():
            before = version[0]
            reply = connection.command("GET", "k")
            after = version[0]
            if before == after and before % 2 == 0 and reply.startswith(b"-") != (before % 4 == 2):
                wrong.append((before, reply))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for step in range(600 // slow_factor):
        version[0] += 1
        admin.execute_command("ACL", "SETUSER", "app", "resetkeys" if step % 2 == 0 else "~k")
        version[0] += 1
    is_over.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.needs_sockets
def test_users_may_come_and_go_while_clients_use_them(start_server, seed, slow_factor):
    server = start_server(threads=4)
    admin = server.client()
    is_over = threading.Event()
    surprises = []

    def run(number):
        dice = random.Random(seed + number)
        connection = server.raw()
        while not is_over.is_set():
            words = dice.choice(
                [
                    ("AUTH", f"u{dice.randrange(3)}", "x"),
                    ("GET", "k"),
                    ("SET", "k", "v"),
                    ("SUBSCRIBE", "c"),
                    ("PSUBSCRIBE", "c*"),
                    ("PUBLISH", "c", "m"),
                    ("MULTI",),
                    ("EXEC",),
                    ("RESET",),
                    ("CLIENT", "LIST"),
                    ("ACL", "LOG"),
                ]
            )
            try:
                connection.command(*words)
            except (Closed, OSError):
                connection = server.raw()
            except Exception as surprise:  # what is no reply
                surprises.append((words, surprise))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    dice = random.Random(seed)
    for _ in range(1500 // slow_factor):
        user = f"u{dice.randrange(3)}"
        if dice.randrange(5) == 0:
            admin.acl_deluser(user)
        else:
            rule = dice.choice(["~*", "resetkeys", "&c", "resetchannels", "+@all", "-@all", "+@pubsub", "(+get ~k)"])
            admin.execute_command("ACL", "SETUSER", user, "on", "nopass", rule)
    is_over.set()
    for thread in threads:
        thread.join(30)
    assert not surprises and not any(thread.is_alive() for thread in threads)
    server.close_connections()
    observer = server.client()
    wait_until(lambda: len(observer.client_list()) == 1, 20, "the clients to be gone")
