"""
A real systemd as PID 1 in a throw-away container: to prove the units, not to imitate them.

No image: the container's root is a fresh tmpfs with this machine's ``/usr`` read-only, a network
of its own with only a loopback, and a cgroup tree of its own. Needs root and the Debian packages
``systemd-container``, ``systemd-sysv`` and ``dbus``; boots in about a second.

Not enforced in it: memory, task and CPU limits (no controllers) and ``IPAddressDeny=``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOT_WITHIN_S = 60
LOOK_EVERY_S = 0.05
TARGET = "box.target"

BARE_SYSTEM = """\
[Unit]
Description=just enough of a system to run our units
Requires=basic.target dbus.socket
After=basic.target
AllowIsolate=yes
"""

# Ask a person at first boot, want real hardware, or log in: none of it here.
MASKED = ("getty.target", "systemd-firstboot.service", "systemd-networkd.service")

# nspawn mounts a cgroup2 tree in the container only where the host shows nothing but one.
OWN_CGROUPS = 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'


def why_no_box() -> str | None:
    """Say what this machine lacks to boot a box, or None when it can."""
    if os.geteuid() != 0:
        return "booting systemd in a container needs root"
    needed = {"systemd-nspawn": "systemd-container", "dbus-daemon": "dbus", "nsenter": "util-linux"}
    for program, package in needed.items():
        if not shutil.which(program):
            return f"no {program} (apt install {package})"
    if not Path("/usr/lib/systemd/systemd").exists() and not Path("/lib/systemd/systemd").exists():
        return "no systemd (apt install systemd-sysv)"
    tried = subprocess.run(
        ["unshare", "-m", "sh", "-c", OWN_CGROUPS, "sh", "true"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else "this machine refuses to mount cgroups"


class Box(contextlib.AbstractContextManager["Box"]):
    """One booted system; ``run`` runs a command in it."""

    def __init__(
        self, *, etc: Path, read_only: Mapping[str, Path], writable: Mapping[str, Path]
    ) -> None:
        """
        Boot.

        Args:
            etc: Folder of unit files and drop-ins; a copy of it is ``/etc/systemd/system`` inside.
            read_only: Path inside -> path here.
            writable: The same, for folders that outlive the box or are read from here.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="ksbox-"))
        self.console = self._folder / "console.log"
        units = self._folder / "system"
        shutil.copytree(etc, units)
        (units / TARGET).write_text(BARE_SYSTEM)
        for name in MASKED:
            (units / name).symlink_to("/dev/null")
        binds = [f"--bind={units}:/etc/systemd/system"]
        binds += [f"--bind-ro={here}:{inside}" for inside, here in read_only.items()]
        binds += [f"--bind={here}:{inside}" for inside, here in writable.items()]
        self._init = 0
        self._process = self._spawn(binds)
        try:
            self._await_boot()
        except BaseException:
            self.close()
            raise

    def _spawn(self, binds: list[str]) -> subprocess.Popen[bytes]:
        command = [
            "systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--boot",
            "--register=no", "--keep-unit", "--private-network", "--console=pipe",
            f"--machine=ksbox-{uuid.uuid4().hex[:12]}", "--resolv-conf=off",
            "--timezone=off", "--link-journal=no", *binds, f"systemd.unit={TARGET}",
        ]  # fmt: skip
        with self.console.open("wb") as console:
            return subprocess.Popen(
                ["unshare", "-m", "sh", "-c", OWN_CGROUPS, "sh", *command],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip

    def _await_boot(self) -> None:
        pause = threading.Event()
        for _ in range(int(BOOT_WITHIN_S / LOOK_EVERY_S)):
            if self._process.poll() is not None:
                break
            self._init = self._init or self._find_init()
            if self._init and self.run("systemctl", "is-system-running").stdout.strip() in {
                "running",
                "degraded",
            }:
                return
            pause.wait(LOOK_EVERY_S)
        raise RuntimeError("systemd did not boot:\n" + self.console.read_text(errors="replace"))

    def _find_init(self) -> int:
        parent = self._process.pid
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return 0

    def run(self, *command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``command`` inside as root, both outputs in ``stdout``."""
        enter = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        return subprocess.run(
            ["nsenter", "--target", str(self._init), *enter, *command],
            env={
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                "LANG": "C.UTF-8",
                "SYSTEMD_COLORS": "0",
                "SYSTEMD_PAGER": "",
                "SYSTEMD_IGNORE_CHROOT": "1",
            },
            timeout=timeout_s, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Read properties of a unit, as ``systemctl show`` prints them."""
        asked = [f"--property={name}" for name in properties]
        lines = self.run("systemctl", "show", unit, *asked).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, unit: str) -> str:
        """Return what ``unit`` logged, and what systemd said of it."""
        return self.run("journalctl", "--no-pager", "--output=short-monotonic", "-u", unit).stdout

    def close(self) -> None:
        """Power off; kill what does not."""
        if self._process.poll() is None and self._init:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("systemctl", "--no-block", "--force", "poweroff", timeout_s=5)
        try:
            self._process.wait(10 if self._init else 0.1)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
