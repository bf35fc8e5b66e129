"""Become a command that dies with its parent: ``python tether.py PARENT_PID LOCK_DESCRIPTOR COMMAND …``.

A program of its own rather than a ``preexec_fn``, which is not safe in a process that has threads. It needs the
standard library only and replaces itself, so it costs some milliseconds at the start and nothing after.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, note its id in the lock that it holds, and become the command."""
    parent, lock, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be told to take us along
        sys.exit(1)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell is what is meant
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
