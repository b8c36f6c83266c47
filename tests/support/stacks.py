"""Where a process that does not answer has come to: the stacks of its threads, as a debugger sees them."""

import shutil
import subprocess


def native_stacks(pid):
    """The stacks of all threads of a process of ours, or why there are none."""
    debugger = shutil.which("gdb")
    if debugger is None:
        return "gdb is not installed, so no stacks can be shown"
    words = [debugger, "-batch", "-nx", "-p", str(pid), "-ex", "thread apply all backtrace 30"]
    try:
        shown = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return "gdb did not come to an end"
    return shown.stdout[-16000:]
