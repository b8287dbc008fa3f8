"""
A child process that may be killed at any moment, and answers one question at a time.

Code that meets hostile bytes (the feed parser) or drags in a heavy library (the notifier) runs
outside the daemon: it can be limited and killed, a thread can't. Standard library only.

Frames, both ways, over the child's standard input and output: two unsigned 32-bit lengths in
network order, then a JSON object, then raw bytes. The first frame holds the limits.

Invariants:
    The child ends when its parent does, however the parent ends: a thread in it waits for the
    other end of its standard input to close. (``PR_SET_PDEATHSIG`` would fire when the *thread*
    that spawned it ends.)
    A call ends by its time-out; a child that missed it is dead before the call returns.
    No code runs between fork and exec: the child sets its limits itself, after its imports.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from killswitch.clock import SystemClock
from killswitch.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

START_S = 30.0
"""Longest wait for a child to be born: half a second, but many on a loaded machine."""

_LENGTHS = struct.Struct("!II")
_FRAME_CAP = 64 * 1024 * 1024
"""No honest frame comes near; a length above it means that the stream is out of step."""

_PIECE = 64 * 1024
_STANDARD_FDS = 3
_WATCHER_STACK = 256 * 1024

_BOOT = (
    "import sys, runpy; root = sys.argv.pop(1); module = sys.argv.pop(1); sys.path.append(root); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)
"""``-m`` under ``-I`` finds installed packages only; this also finds a checkout that is not."""


class ChildFailed(TransientError):
    """
    The child gave no usable answer; the next call starts a new one.

    Codes: ``spawn``, ``timeout``, ``died``, ``protocol``, and ``fault`` (the child lives, but its
    handler raised).
    """


class Child:
    """The parent's end: spawns at the first call, and again after every death."""

    def __init__(
        self,
        module: str,
        *,
        name: str,
        cpu_s: int | None = None,
        memory_bytes: int | None = None,
        no_network: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """
        Describe the child; nothing is started yet.

        Args:
            module: Dotted name of a module that calls ``serve`` when run.
            name: What messages call it.
            cpu_s: CPU seconds of one call, after which the kernel kills the child.
            memory_bytes: Address space of the child; beyond it allocations fail.
            no_network: Deny the child every new file descriptor once it is ready, so that it can
                open neither sockets nor files. This needs no privilege; it is a best effort
                against library code that wanders, not a jail for foreign machine code.
            env: Environment beside the fixed ``LANG`` and ``PATH``; nothing is inherited.
        """
        self._module = module
        self._name = name
        self._limits = {"cpu_s": cpu_s, "memory_bytes": memory_bytes, "sealed": no_network}
        self._env = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", **(env or {})}
        self._lock = threading.Lock()
        self._clock = SystemClock()
        self._running: _Running | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id, or None while no child lives."""
        running = self._running
        return running.process.pid if running and running.lives() else None

    def call(
        self, message: dict[str, Any], body: bytes = b"", *, timeout_s: float
    ) -> dict[str, Any]:
        """
        Ask one question; calls from several threads wait for each other.

        Args:
            message: JSON object.
            body: Raw bytes beside it.
            timeout_s: Seconds for this answer; the start of a child has its own limit.

        Raises:
            ChildFailed: No answer. Unless the code is ``fault`` the child has been killed.
        """
        with self._lock:
            answer = self._ask(self._alive(), (_frame(message, body), body), timeout_s=timeout_s)
        if "fault" in answer:
            raise ChildFailed("fault", f"{self._name} failed: {answer['fault']}")
        return answer

    def close(self) -> None:
        """End the child, if any; a later call starts a new one."""
        with self._lock:
            self._kill()

    def _alive(self) -> _Running:
        if self._running and self._running.lives():
            return self._running
        self._kill()
        try:
            self._running = _spawn(self._module, self._env)
        except OSError as error:
            raise ChildFailed("spawn", f"{self._name} did not start: {error}") from error
        self._ask(self._running, (_frame(self._limits),), timeout_s=START_S)
        return self._running

    def _ask(
        self, running: _Running, frame: Iterable[bytes], *, timeout_s: float
    ) -> dict[str, Any]:
        """Send the parts of one frame and read one; if it goes wrong, the child is dead after."""
        ends = self._clock.monotonic_s() + timeout_s
        answered = False
        try:
            for part in frame:
                self._write(running, part, ends)
            size = sum(_LENGTHS.unpack(self._read(running, _LENGTHS.size, ends)))
            answer = _object(self._read(running, _sane(size), ends))
            answered = True
        except TimeoutError:
            message = f"{self._name} gave no answer in {timeout_s:g} s and was killed"
            raise ChildFailed("timeout", message) from None
        except (ValueError, RecursionError) as error:
            raise ChildFailed("protocol", f"{self._name} answered nonsense: {error}") from error
        except (OSError, EOFError) as error:
            message = f"{self._name} died in a call ({self._kill()})"
            raise ChildFailed("died", message) from error
        finally:
            if not answered:
                self._kill()
        return answer

    def _write(self, running: _Running, data: bytes, ends: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(running.to_child, select.POLLOUT, ends)
            with suppress(BlockingIOError):
                view = view[os.write(running.to_child, view[:_PIECE]) :]

    def _read(self, running: _Running, size: int, ends: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait(running.from_child, select.POLLIN, ends)
            with suppress(BlockingIOError):
                piece = os.read(running.from_child, min(_PIECE, size - len(data)))
                if not piece:
                    raise EOFError
                data += piece
        return bytes(data)

    def _wait(self, fd: int, event: int, ends: float) -> None:
        left_s = ends - self._clock.monotonic_s()
        poll = select.poll()
        poll.register(fd, event)
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise TimeoutError

    def _kill(self) -> str:
        """Kill the child with all that it started; say how it ended."""
        running, self._running = self._running, None
        if running is None:
            return "not running"
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)  # its own session, so its own group
        code = running.process.wait()
        os.close(running.to_child)
        os.close(running.from_child)
        return f"signal {-code}" if code < 0 else f"exit code {code}"


@dataclass(frozen=True, slots=True)
class _Running:
    """A live child and the parent's two pipe ends, which never block."""

    process: subprocess.Popen[bytes]
    to_child: int
    from_child: int

    def lives(self) -> bool:
        return self.process.poll() is None


def _spawn(module: str, env: Mapping[str, str]) -> _Running:
    """
    Start ``module`` in a session of its own, with nothing inherited but standard error.

    Raises:
        OSError: No descriptor, no memory or no process to be had.
    """
    root = str(Path(__file__).resolve().parent.parent)
    child_in, to_child = os.pipe()
    from_child, child_out = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module names
            [sys.executable, "-I", "-c", _BOOT, root, module],
            stdin=child_in,
            stdout=child_out,
            env=dict(env),
            cwd="/",
            start_new_session=True,
        )
    except OSError:
        os.close(to_child)
        os.close(from_child)
        raise
    finally:
        os.close(child_in)
        os.close(child_out)
    os.set_blocking(to_child, False)
    os.set_blocking(from_child, False)
    return _Running(process, to_child, from_child)


def _sane(size: int) -> int:
    if size > _FRAME_CAP:
        raise ValueError(f"a frame of {size} bytes")
    return size


def _object(data: bytes) -> dict[str, Any]:
    answer = json.loads(data)
    if not isinstance(answer, dict):
        raise ValueError("not an object")  # noqa: TRY004 - nonsense from outside, not a wrong call
    return answer


def serve(
    handle: Callable[[dict[str, Any], bytes], dict[str, Any]],
    *,
    warm_up: Callable[[], None] | None = None,
) -> NoReturn:
    """
    Answer the parent's questions until it goes away; run in the child.

    Args:
        handle: Turns a message and its bytes into an answer. What it raises is answered as a
            fault with the exception's name, and the child goes on.
        warm_up: Runs before the limits are set: all imports and files that ``handle`` will need.
    """
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not break the frames
    sys.excepthook = _name_only
    _follow_parent()
    limits, _ = _take()
    if warm_up:
        warm_up()
    _limit(limits)
    _give(out, {})
    while True:
        message, body = _take()
        _renew_cpu(limits.get("cpu_s"))
        try:
            answer = handle(message, body)
        except Exception as error:  # noqa: BLE001 - the border of the process: named, answered
            answer = {"fault": type(error).__name__}
        _give(out, answer)


def _name_only(kind: type[BaseException], *_: object) -> None:
    """Report an exception by name: its text may hold foreign bytes, and this goes to a log."""
    sys.stderr.write(f"child process ended by {kind.__name__}\n")


def _follow_parent() -> None:
    """End this process as soon as nobody can write to its standard input any more."""

    def watch() -> None:
        poll = select.poll()
        poll.register(sys.stdin.fileno(), 0)  # a hang-up is reported without being asked for
        poll.poll()
        os._exit(0)

    old = threading.stack_size(_WATCHER_STACK)
    threading.Thread(target=watch, name="killswitch-parent", daemon=True).start()
    threading.stack_size(old)


def _limit(limits: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold texts and secrets
    if limits.get("memory_bytes"):
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    if limits.get("sealed"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (_STANDARD_FDS,) * 2)
        sys.meta_path.insert(0, _NoMoreImports())


def _renew_cpu(cpu_s: int | None) -> None:
    """Allow ``cpu_s`` more seconds from now: the kernel counts over the life of the process."""
    if not cpu_s:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + cpu_s
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


class _NoMoreImports:
    """
    Refuse imports in a sealed child as "not found".

    Without a free descriptor the import system raises ``OSError`` from places that expect only
    ``ImportError``; libraries that try an optional module at run time would stumble.
    """

    def find_spec(self, name: str, *_: object) -> None:
        raise ModuleNotFoundError(name)


def _frame(message: dict[str, Any], body: bytes = b"") -> bytes:
    """Write a frame up to its body, which follows as it is."""
    # Not escaped: a feed of accents would be six times as long. Lone surrogates pass both ways.
    header = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return _LENGTHS.pack(len(header), len(body)) + header


def _take() -> tuple[dict[str, Any], bytes]:
    header, body = _LENGTHS.unpack(_exactly(_LENGTHS.size))
    return json.loads(_exactly(header)), _exactly(body)


def _exactly(size: int) -> bytes:
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        os._exit(0)  # the parent is gone
    return data


def _give(out: int, answer: dict[str, Any]) -> None:
    view = memoryview(_frame(answer))
    while view:
        view = view[os.write(out, view) :]
