"""
A house full of secrets, each one known by a word of its own, and how to look for those words.

Every kind of secret that the settings know is there once at least: written in the file, in the
environment, in credential files. Whoever is told lives on the loopback: a mail server with a
login, receivers that take everything, refuse everything, or say back whatever they heard.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.edge.house import QUEUE, House
from tests.edge.raw_server import RawServer
from tests.edge.test_notify_process import Mailbox, a_port

NAMES = (
    "hook", "hookurl", "relay", "relayurl", "accepting", "refusing", "echoing", "mail", "nobody",
    "phone", "spare", "store", "feedurl", "repeat",
)  # fmt: skip
WORDS = {name: f"c4nary{name}Zq9" for name in NAMES}
"""What each secret holds."""


def forms(words: dict[str, str] = WORDS) -> dict[bytes, str]:
    """Return every way in which a secret may be written, with the name of the secret."""
    found = {}
    for name, word in words.items():
        found[word.encode()] = name
        found[word.encode("utf-16-le")] = f"{name}, in UTF-16"
        found[word.encode().hex().encode()] = f"{name}, in hex"
        for login in (word, f"u:{word}", f"\0u\0{word}"):
            # The last signs hang on what follows.
            kept = base64.b64encode(login.encode()).rstrip(b"=")[:-2]
            found[kept] = f"{name}, in base64"
    return found


FORMS = forms()


def found_in(data: bytes | str, *, but: tuple[str, ...] = ()) -> list[str]:
    """Name the secrets that ``data`` holds, but those of the names ``but``."""
    raw = data.encode() if isinstance(data, str) else data
    hits = {name for form, name in FORMS.items() if form in raw}
    return sorted(name for name in hits if name.partition(",")[0] not in but)


class Receiver:
    """
    An HTTP server that keeps what it gets.

    ``status`` is its answer; one that ``echoes`` says back everything it heard, as some do in an
    error page.
    """

    def __init__(self, status: int = 200, *, echoes: bool = False) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                receiver.requests.append((self.path, dict(self.headers), body))
                said = f"{self.requestline} {self.headers}".encode() if echoes else b"{}"
                self.send_response(status, said.decode().replace("\n", " ")[:900])
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_DELETE = do_POST  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def bodies(self) -> bytes:
        """What people would read there."""
        return b"\n".join(body for _, _, body in self.requests)


class Manager:
    """The service manager's socket: keeps what the daemon says of itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                self.told.append(self._socket.recv(65536))
            except OSError:
                return


@contextlib.contextmanager
def post_office(box: Mailbox) -> Iterator[int]:
    """A mail server that lets everybody in who brings a password."""

    def let_in(*_: object) -> AuthResult:
        return AuthResult(success=True)

    server = Controller(
        box,
        hostname="127.0.0.1",
        port=a_port(),
        authenticator=let_in,
        auth_required=True,
        auth_require_tls=False,
    )
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


class SecretHouse(House):
    """A house whose every door has a secret."""

    def __init__(
        self,
        folder: Path,
        server: RawServer,
        *,
        store: str,
        accepting: int,
        refusing: int,
        echoing: int,
        cutting: int,
        mail: int,
        env: dict[str, str],
    ) -> None:
        """Write the configuration, the credential files and the environment."""
        credentials = folder / "creds"
        credentials.mkdir(mode=0o700)
        scratch = folder / "tmp"
        scratch.mkdir()
        nobody = a_port()
        files = {
            "relay": WORDS["relay"],
            "phone": f"json://u:{WORDS['phone']}@127.0.0.1:{nobody}/",
            "spare": WORDS["spare"],
            "notify__repeat": "1m",
        }
        for name, text in files.items():
            (credentials / name).write_text(text)
        super().__init__(
            folder,
            server,
            queue={**QUEUE, "late_after": "15m"},
            settings=_tables(
                refusing, echoing, mail, cutting=cutting, nobody=nobody, accepting=accepting
            ),
            env={},
        )
        text = self.config.read_text().replace('"s3cret"', f'"{WORDS["hook"]}"')
        self.config.write_text(text)
        self.everywhere = {
            "CREDENTIALS_DIRECTORY": str(credentials),
            "TMPDIR": str(scratch),
            **({"KILLSWITCH_STORE__URL": store} if store else {}),
            **env,
        }

    def _env(self) -> dict[str, str]:
        return super()._env() | self.everywhere

    def people_see(self, *words: str, within_s: float = 60.0) -> str:
        """Run one command as people do, and end it in time; return all that it says."""
        running = self.command(*words)
        try:
            out, err = running.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            running.kill()
            out, err = running.communicate()
        return out + err


def _tables(
    refusing: int, echoing: int, mail: int, *, cutting: int, nobody: int, accepting: int
) -> str:
    """Write the tables of the file that hold a secret, or lead to somebody who says it back."""
    w = WORDS
    failing = [
        sys.executable,
        "-c",
        "import os, sys; sys.exit(' '.join(map(str, os.environ.items())))",
    ]
    urls = [
        f"json://u:{w['accepting']}@127.0.0.1:{accepting}/?+X-Token={w['accepting']}",
        f"json://u:{w['refusing']}@127.0.0.1:{refusing}/{w['refusing']}",
        f"form://u:{w['echoing']}@127.0.0.1:{echoing}/{w['echoing']}?+X-Key={w['echoing']}",
        f"mailto://u:{w['mail']}@127.0.0.1:{mail}?from=k@x.example&to=lea@x.example&mode=insecure",
        f"mailto://u:{quote(w['nobody'])}@127.0.0.1:{nobody}?from=a@example.org&mode=insecure",
        "credential:phone",
    ]
    a_hook = f'kind = "webhook"\nsecret = "{w["hook"]}"\n'
    here = "http://127.0.0.1"
    path = f"{w['hookurl']}?key={w['hookurl']}"
    a_feed = 'interval = "1s"\nlanguage = "en"\n'
    return f"""
[notify]
urls = {json.dumps(urls)}

[[relays]]
name = "ads"
command = {json.dumps(failing)}
[[relays]]
name = "shop"
url = "{here}:{echoing}/r?key={w["relayurl"]}"
secret = "credential:relay"
[[relays]]
name = "dead"
url = "{here}:{nobody}/r?key={w["relayurl"]}"
secret = "credential:relay"

[[channels]]
name = "echo"
url = "{here}:{echoing}/{path}"
probe_url = "{here}:{echoing}/{w["hookurl"]}/{{delivery}}"
delete_url = "{here}:{echoing}/{w["hookurl"]}/{{delivery}}"
{a_hook}
[[channels]]
name = "cut"
url = "{here}:{cutting}/{path}"
{a_hook}
[[channels]]
name = "dead"
url = "{here}:{nobody}/{path}"
{a_hook}
[[feeds]]
name = "gone"
url = "{here}:{nobody}/?key={w["feedurl"]}"
outlet = "gone"
{a_feed}
[[feeds]]
name = "odd"
url = "{here}:{echoing}/?key={w["feedurl"]}"
outlet = "odd"
{a_feed}"""


# ---- who else may look ---------------------------------------------------------------------------


def family_of(pid: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the process and all below it: its number, its command line, its environment."""
    try:
        shown = (_read(pid, "cmdline"), _read(pid, "environ"))
        children = Path(f"/proc/{pid}/task").glob("*/children")
        below = [int(one) for path in children for one in path.read_text().split()]
    except OSError:  # it has ended meanwhile
        return
    yield (pid, *shown)
    for child in below:
        yield from family_of(child)


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def files_with_secrets(folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return the files below ``folder`` that hold secrets, and which."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            hits = found_in(path.read_bytes(), but=but)
            if hits:
                found[os.fspath(path.relative_to(folder))] = hits
    return found
