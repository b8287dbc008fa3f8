"""
The packaged daemon under its real units: installed, booted, sandboxed, killed, restarted.

It is installed by the very lines of the README, on a system whose ``/etc`` is as good as empty.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.edge.box import Box, why_no_box

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
SOURCE = "/src/killswitch"
"""Where the box has what a person unpacks: the unit files and a configuration."""
SYSTEM_PYTHON = Path("/usr/bin/python3")
KILLSWITCH = ("/opt/killswitch/bin/python", "-I", "-m", "killswitch")
SERVICE = "killswitch.service"

CONFIG = """
timezone = "UTC"

[network]
allow_private = ["127.0.0.0/8"]

[[feeds]]
name = "north"
url = "http://127.0.0.1:8000/north.xml"
outlet = "north.example"
interval = "1s"

[[feeds]]
name = "south"
url = "http://127.0.0.1:8000/south.xml"
outlet = "south.example"
interval = "1s"

[[channels]]
name = "paper"
kind = "file"
path = "/var/lib/killswitch/paper.jsonl"

[notify]
urls = ["json://127.0.0.1:9"]
"""

FEED_SERVER = """
[Service]
ExecStart=/usr/bin/python3 -m http.server 8000 --bind 127.0.0.1 --directory /srv
"""

QUICK_WATCHDOG = """
[Service]
WatchdogSec=3
RestartSec=200ms
"""


def _why_not() -> str | None:
    if not SYSTEM_PYTHON.exists():
        return "no /usr/bin/python3: the box sees nothing but /usr"
    asked = [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"]
    theirs = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    if theirs != [str(part) for part in sys.version_info[:2]]:
        return f"/usr/bin/python3 is {'.'.join(theirs)}, our dependencies are installed for another"
    return why_no_box()


pytestmark = [
    pytest.mark.skipif(bool(WHY_NOT := _why_not()), reason=f"no systemd box: {WHY_NOT}"),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install our wheel, built as for a release, into a venv of the system's own Python."""
    folder = tmp_path_factory.mktemp("wheel")
    venv = folder / "venv"
    offline = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip"]
    for command in (
        [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", folder, ROOT],
        [SYSTEM_PYTHON, "-m", "venv", "--without-pip", venv],
    ):
        subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = next(venv.glob("lib/python3.*/site-packages"))
    (site / "dependencies.pth").write_text("/opt/dependencies\n")
    subprocess.run(
        [*pip, "--python", venv / "bin/python", "install", *offline, wheel],
        check=True,
        capture_output=True,
    )
    return venv


def _feed(title: str) -> str:
    an_hour_ago = format_datetime(datetime.now(UTC) - timedelta(hours=1))
    return (
        f'<rss version="2.0"><channel><title>{title}</title><item><guid>{title}-1</guid>'
        f"<title>Town library opens on Sundays</title><pubDate>{an_hour_ago}</pubDate>"
        "</item></channel></rss>"
    )


def _lines(first: str, last: str, *, of: Path = README) -> str:
    """Return a document's commands from one that begins with ``first`` to one with ``last``."""
    text = of.read_text().splitlines()
    commands = [line.strip() for line in text if line.startswith("    ")]
    start = next(at for at, line in enumerate(commands) if line.startswith(first))
    end = next(at for at in range(start, len(commands)) if commands[at].startswith(last))
    return "\n".join(commands[start : end + 1])


# What comes before is pip's: the package is installed from a wheel, without a network.
INSTALL = _lines("ln -s", "systemd-tmpfiles")
CONFIGURE = _lines("install -o root", "install")
START = _lines("systemctl daemon-reload", "systemctl enable")
REVIVE = _lines("systemctl reset-failed", "systemctl start", of=OPERATIONS)


@pytest.fixture
def etc(tmp_path):
    """What lies in /etc/systemd/system beside our units; a test may add drop-ins."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "feeds.service").write_text(FEED_SERVER)
    return folder


@pytest.fixture
def source(tmp_path):
    """What a person unpacks and writes before the README's lines are typed."""
    folder = tmp_path / "source"
    shutil.copytree(ROOT / "systemd", folder / "systemd")
    (folder / "killswitch.toml").write_text(CONFIG)
    return folder


class Machine:
    """A booted box with our package, a configuration and a feed server."""

    def __init__(self, box: Box) -> None:
        self.box = box

    def type(self, lines: str) -> None:
        """Run lines of the README one by one, as root, in the folder it speaks of."""
        done = self.box.run("sh", "-exc", f"cd {SOURCE}\n{lines}")
        assert done.returncode == 0, done.stdout + self.log()

    def start(self) -> None:
        self.box.run("systemctl", "start", "feeds.service")
        self.type(START)

    def killswitch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.box.run(*KILLSWITCH, *arguments)

    def status(self) -> dict[str, object]:
        return json.loads(self.killswitch("status", "--json").stdout)

    def service(self, name: str) -> str:
        return self.box.show(SERVICE, name)[name]

    def await_service(self, name: str, value: str) -> None:
        pause = threading.Event()
        while self.service(name) != value:
            pause.wait(0.1)

    def await_state(self, state: str) -> None:
        pause = threading.Event()
        while self.status()["state"] != state:
            pause.wait(0.1)

    def log(self) -> str:
        return self.box.journal(SERVICE)


@pytest.fixture
def machine(installed, etc, source, tmp_path):
    (tmp_path / "feeds").mkdir()
    for name in ("north", "south"):
        (tmp_path / "feeds" / f"{name}.xml").write_text(_feed(name))
    (tmp_path / "bin").mkdir()
    with Box(
        etc=etc,
        read_only={
            "/opt/killswitch": installed,
            "/opt/dependencies": Path(sysconfig.get_path("purelib")),
            "/srv": tmp_path / "feeds",
            SOURCE: source,
        },
        writable={"/usr/local/bin": tmp_path / "bin"},
    ) as box:
        machine = Machine(box)
        machine.type(INSTALL)
        machine.type(CONFIGURE)
        yield machine


def test_the_service_gets_ready_in_its_sandbox_and_says_what_it_watches(machine):
    machine.start()
    assert machine.service("ActiveState") == "active"
    assert machine.service("StatusText")
    assert machine.status()["state"] == "running", machine.log()
    assert "Permission" not in machine.log()
    proc = machine.box.run("cat", f"/proc/{machine.service('MainPID')}/status").stdout
    facts = dict(line.split(":\t", 1) for line in proc.splitlines())
    assert (facts["CapEff"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "1", "2")


def test_a_pause_outlives_restart_and_stop_and_the_socket_waits_for_the_daemon(machine):
    machine.start()
    assert machine.killswitch("pause", "drill").returncode == 0, machine.log()
    machine.box.run("systemctl", "restart", SERVICE)
    assert machine.status()["state"] == "paused"
    # The service is gone, the socket is not: the question itself brings the daemon back.
    machine.box.run("systemctl", "stop", SERVICE)
    machine.await_state("paused")
    assert machine.service("ActiveState") in {"active", "activating"}


def test_any_member_of_the_group_stops_everything_with_touch(machine):
    machine.start()
    flag = "/var/lib/killswitch/pause.d/stop"
    somebody = ("setpriv", "--reuid=2000", "--regid=2000", "--groups=killswitch")
    done = machine.box.run(*somebody, "touch", flag)
    assert done.returncode == 0, done.stdout
    machine.await_state("paused")


def test_a_daemon_that_hangs_is_killed_and_comes_back_paused(machine, etc):
    machine.start()
    assert machine.killswitch("pause", "drill").returncode == 0
    drop_in = "/run/systemd/system/killswitch.service.d"
    machine.box.run(
        "sh", "-c", f'mkdir -p {drop_in} && printf %s "$1" > {drop_in}/q.conf', "", QUICK_WATCHDOG
    )
    machine.box.run("systemctl", "daemon-reload")
    machine.box.run("systemctl", "restart", SERVICE)
    machine.box.run("kill", "-STOP", machine.service("MainPID"))
    machine.await_service("NRestarts", "1")
    machine.await_service("ActiveState", "active")
    assert "watchdog" in machine.log().lower()
    assert machine.status()["state"] == "paused"


def test_a_wrong_configuration_keeps_it_down_and_a_human_is_told(machine):
    config = "printf 'mode = \"fast\"\\n' > /etc/killswitch/config.toml"
    machine.box.run("sh", "-c", config)
    machine.box.run("systemctl", "start", SERVICE)
    machine.await_service("ActiveState", "failed")
    assert machine.service("ExecMainStatus") == "78"
    assert machine.service("NRestarts") == "0"
    assert "is DOWN" in machine.box.journal("killswitch-alert@killswitch.service.service")


def test_after_too_many_starts_that_failed_the_documents_lines_bring_it_back(machine):
    machine.start()
    good = "/etc/killswitch/config.toml"
    spoil = f"cp {good} /run/good.toml; printf 'mode = \"fast\"\\n' > {good}"
    machine.box.run("sh", "-c", spoil)
    machine.box.run("systemctl", "restart", SERVICE)
    machine.await_service("ActiveState", "failed")
    # Whoever asks starts it again, in vain, until systemd gives up the socket too.
    while machine.box.show("killswitch.socket", "ActiveState")["ActiveState"] != "failed":
        machine.box.run("systemctl", "start", SERVICE)
        machine.killswitch("status")
    assert machine.killswitch("pause", "whatever").returncode == 0, "by a flag"
    machine.box.run("cp", "/run/good.toml", good)
    assert machine.box.run("systemctl", "start", SERVICE).returncode != 0
    machine.type(REVIVE)
    machine.await_state("paused")
