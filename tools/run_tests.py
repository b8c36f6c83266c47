#!/usr/bin/env python3
"""Runs every test and ends with one line: N passed, N failed, N skipped.

What runs: the unit tests under the address and undefined-behaviour sanitizers and under the thread sanitizer; the
black-box tests (integration, differential, clients) against the release build and against both sanitized builds; a part of
them against a build without the optional libraries; the installed libraries with outside programs; the Python packages' own
tests on CPython and PyPy; each fuzzer for a short while on its stored corpus. Arguments name the stages to run instead of
all: unit, blackbox, bare, install, python, fuzz. The stage soak is run only when it is named, as the black-box tests have a
short one: SOAK_SECONDS (default 600) in each of SOAK_BUILDS (default: release asan tsan).
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.stacks import native_stacks  # noqa: E402

BUILD = ROOT / "build"
VENV = BUILD / "venv"
RESULTS = BUILD / "test-results"
FUZZ_SECONDS = 12
TEST_LIMIT_S = 300  # of one black-box test, or of a package's own; the longest takes a quarter of it
RUN_LIMIT_S = 1500  # of all black-box tests against one build

# The thread sanitizer's search for lock cycles knows at most 64 locks at a time; commands on all shards take more. The order
# of locks is ascending by construction (engine/README.md). OpenSSL is not instrumented, so what it does under locks of its own
# can't be judged.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=1:detect_deadlocks=0:ignore_noninstrumented_modules=1",
}


class Tally:
    """What passed, failed and was skipped, and where."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, is_passed):
        self.passed += is_passed
        self.failed += not is_passed
        if not is_passed:
            self.failures.append(name)

    def add_junit(self, stage, path, status):
        """The cases of a JUnit file. A runner that failed without a failed case, or ran none, counts as a failure."""
        failed_before, cases = self.failed, []
        if path.exists():
            cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        for case in cases:
            kinds = {child.tag for child in case}
            if kinds & {"failure", "error"}:
                self.add(f"{stage}: {case.get('classname', '')} {case.get('name')}", False)
            elif "skipped" in kinds:
                self.skipped += 1
            else:
                self.passed += 1
        if not cases or (status != 0 and self.failed == failed_before):
            self.add(f"{stage}: the runner ended with status {status} after {len(cases)} tests", False)


    def add_unittest(self, stage, output, status):
        """What unittest says at its end. A run without tests counts as a failure."""
        print(output if status != 0 else output.splitlines()[-1], flush=True)
        ran = int((re.findall(r"^Ran (\d+) tests? in", output, re.MULTILINE) or ["0"])[-1])
        outcomes = {kind: int(count) for kind, count in re.findall(r"(failures|errors|skipped)=(\d+)", output)}
        failed = outcomes.get("failures", 0) + outcomes.get("errors", 0)
        self.skipped += outcomes.get("skipped", 0)
        self.passed += max(ran - failed - outcomes.get("skipped", 0), 0)
        for _ in range(failed or int(status != 0 or ran == 0)):
            self.add(stage, False)


def run(*words, **options):
    return subprocess.run([str(word) for word in words], cwd=ROOT, check=False, **options).returncode


def must(*words, **options):
    status = run(*words, **options)
    if status != 0:
        sys.exit(f"run_tests: {' '.join(map(str, words))} failed with status {status}")


def build(*names):
    for name in names:
        print(f"== building {name}", flush=True)
        must("tools/configure.sh", name)
        must("ninja", "-C", BUILD / name, "--quiet")


def set_up_python():
    """A virtual environment with the tests' packages; made again when they change."""
    requirements = ROOT / "tests/requirements.txt"
    stamp = VENV / "requirements.txt"
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return
    print("== installing the tests' Python packages", flush=True)
    must(sys.executable, "-m", "venv", VENV)
    must(VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
    stamp.write_bytes(requirements.read_bytes())


def unit_stage(tally):
    for name in ("asan", "tsan"):
        print(f"== unit tests, {name}", flush=True)
        report = BUILD / name / "meson-logs/testlog.junit.xml"
        report.unlink(missing_ok=True)
        status = run(
            "meson", "test", "-C", BUILD / name, "--no-rebuild", "--print-errorlogs", "--quiet",
            env=os.environ | SANITIZER_OPTIONS,
        )
        tally.add_junit(f"unit tests, {name}", report, status)


def start_pytest(name, *arguments, test_limit_s=TEST_LIMIT_S):
    """pytest against one build, its output in a file."""
    environment = os.environ | SANITIZER_OPTIONS | {"LARDER_SERVER": str(BUILD / name / "larder-server")}
    if name in ("asan", "tsan"):
        environment["LARDER_SANITIZED"] = "1"
    RESULTS.mkdir(parents=True, exist_ok=True)
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    log = open(RESULTS / f"{name}.log", "w", encoding="utf-8")
    words = [
        VENV / "bin/python", "-m", "pytest", *arguments, "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
        f"--timeout={test_limit_s}", "--timeout-method=signal",
    ]  # fmt: skip
    process = subprocess.Popen(
        list(map(str, words)), cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    return name, process, report


def finish_pytest(tally, stage, name, process, report, limit_s=RUN_LIMIT_S):
    """Waits for the end. What neither ends nor heeds the limit of a test is shown and killed."""
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        print(f"== {name} did not end within {limit_s} s:\n{native_stacks(process.pid)}", flush=True)
        process.send_signal(signal.SIGABRT)  # pytest then shows where its Python threads are
        status = process.wait()
    lines = (RESULTS / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(lines[-1:] if status == 0 else lines[-400:]), flush=True)
    tally.add_junit(f"{stage}, {name}", report, status)


def blackbox_stage(tally):
    """The sanitized builds run at the same time, one on each core; the release build before them, undisturbed."""
    for group in (["release"], ["asan", "tsan"]):
        print(f"== black-box tests, {' and '.join(group)}", flush=True)
        for started in [start_pytest(name, ROOT / "tests") for name in group]:
            finish_pytest(tally, "black-box tests", *started)


def bare_stage(tally):
    """What does not need an optional library works without all of them."""
    build("bare")
    print("== black-box tests, without optional libraries", flush=True)
    names = ("test_tls_absent", "test_compression_absent", "test_connection", "test_config", "test_info", "test_lifecycle")
    started = start_pytest("bare", *[ROOT / f"tests/integration/{name}.py" for name in names])
    finish_pytest(tally, "black-box tests", *started)


def soak_stage(tally):
    """One build after the other: each has the machine to itself."""
    seconds = os.environ.get("SOAK_SECONDS", "600")
    for name in os.environ.get("SOAK_BUILDS", "release asan tsan").split():
        print(f"== soak, {name}, {seconds} s", flush=True)
        started = start_pytest(name, ROOT / "tests/soak", "--soak-seconds", seconds, test_limit_s=0)
        finish_pytest(tally, "soak", *started, limit_s=float(seconds) + RUN_LIMIT_S)


def install_stage(tally):
    """An outside program compiles against the installed header and library by pkg-config alone, and runs."""
    print("== the installed library", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "prefix"
        release = BUILD / "release"
        is_installed = (
            run("meson", "setup", "--reconfigure", release, f"-Dprefix={prefix}", stdout=subprocess.DEVNULL) == 0
            and run("meson", "install", "-C", release, "--quiet", stdout=subprocess.DEVNULL) == 0
        )
        run("meson", "setup", "--reconfigure", release, "-Dprefix=/usr/local", stdout=subprocess.DEVNULL)
        tally.add("install: make install", is_installed)
        if not is_installed:
            return
        pkgconfig = next(prefix.rglob("larder.pc")).parent
        library = next(prefix.rglob("liblarder.so")).parent
        environment = os.environ | {"PKG_CONFIG_PATH": str(pkgconfig), "LD_LIBRARY_PATH": str(library)}
        for linking, flag in (("shared", ""), ("static", "--static")):
            program = Path(folder) / f"embed-{linking}"
            flags = f"$(pkg-config {flag} --cflags --libs larder)"
            if linking == "static":
                flags = f"-Wl,-Bstatic -llarder -Wl,-Bdynamic {flags}".replace("-Bstatic", f"-Bstatic -L{library}")
            command = f"cc examples/embed.c -o {program} {flags} && {program}"
            status = run("sh", "-c", command, env=environment, stdout=subprocess.DEVNULL)
            tally.add(f"install: the example with the {linking} library", status == 0)
        status = run(prefix / "bin/larder-server", "--version", stdout=subprocess.DEVNULL)
        tally.add("install: larder-server --version", status == 0)
        status = run(prefix / "bin/gibson", "--help", stdout=subprocess.DEVNULL)
        tally.add("install: gibson --help", status == 0)
        install_gibson(tally, prefix, Path(folder), library)


def install_gibson(tally, prefix, folder, library):
    """The Gibson client's library, command line and Python package, of the same installation."""
    environment = os.environ | {"PKG_CONFIG_PATH": str(library / "pkgconfig"), "LD_LIBRARY_PATH": str(library)}
    for linking, flags in (("shared", "-lgibsonclient"), ("static", "-l:libgibsonclient.a")):
        program = folder / f"gibson-{linking}"
        flags = f"$(pkg-config --cflags --libs-only-L libgibsonclient) {flags}"
        # there is no server: the program says so, and that is all it can do
        command = f"cc examples/gibson.c -o {program} {flags} && ! {program} {folder}/missing 2>{folder}/said"
        status = run("sh", "-c", command, env=environment)
        said = (folder / "said").read_text() if status == 0 else ""
        tally.add(f"install: the Gibson example with the {linking} library", "No such file or directory" in said)
    status = run(prefix / "bin/gibson-cli", "--help", stdout=subprocess.DEVNULL)
    tally.add("install: gibson-cli --help", status == 0)
    packages = next((path.parent.parent for path in prefix.rglob("pygibson/__init__.py")), None)
    command = f"import pygibson; assert pygibson.__file__.startswith('{packages}')"
    status = run(sys.executable, "-c", command, env=os.environ | {"PYTHONPATH": str(packages)})
    tally.add("install: pygibson", status == 0)


def run_unittest(python, folder, environment):
    """What a package's own tests say on one interpreter, and the status; 124 when they did not end in time."""
    words = [python, "-W", "error", "-m", "unittest", "-b"]
    options = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    try:
        done = subprocess.run(words, check=False, timeout=TEST_LIMIT_S, **options)
        return done.stderr.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace")
        return f"{said}\nit did not end within {TEST_LIMIT_S} s", 124


def python_stage(tally):
    """The tests that the Python packages bring along, against the release build: on CPython, and on PyPy if present, at the
    same time, as they mostly wait."""
    programs = RESULTS / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "gibson").unlink(missing_ok=True)
    (programs / "gibson").symlink_to(BUILD / "release/larder-server")
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    pythons = [python for python in (sys.executable, shutil.which("pypy3")) if python is not None]
    if len(pythons) == 1:
        print("== pygibson on PyPy: skipped, there is no pypy3")
        tally.skipped += 1
    print(f"== pygibson, {' and '.join(pythons)}", flush=True)
    with ThreadPoolExecutor() as executor:
        outcomes = executor.map(lambda python: run_unittest(python, ROOT / "python/pygibson", environment), pythons)
        for python, outcome in zip(pythons, outcomes):
            tally.add_unittest(f"pygibson, {Path(python).name}", *outcome)


def fuzz_stage(tally):
    build("fuzz")
    print(f"== fuzzers, {FUZZ_SECONDS} s each", flush=True)
    tally.add("fuzzers", run("tools/fuzz.sh", FUZZ_SECONDS) == 0)


STAGES = {
    "unit": unit_stage,
    "blackbox": blackbox_stage,
    "bare": bare_stage,
    "install": install_stage,
    "python": python_stage,
    "fuzz": fuzz_stage,
}
NAMED_STAGES = STAGES | {"soak": soak_stage}


def main():
    wanted = sys.argv[1:] or list(STAGES)
    unknown = [name for name in wanted if name not in NAMED_STAGES]
    if unknown:
        sys.exit(f"run_tests: there are the stages {', '.join(NAMED_STAGES)}; not {', '.join(unknown)}")
    build("release", "asan", "tsan")
    set_up_python()
    tally = Tally()
    for name in wanted:
        NAMED_STAGES[name](tally)
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
