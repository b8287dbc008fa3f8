"""A hand-written desk with the real protocol: it remembers what it was asked, and answers."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from killswitch.control.app import create_app
from killswitch.control.peers import Roles
from killswitch.control.server import ControlServer
from killswitch.errors import RefusedError, UsageError
from killswitch.flags import FlagDir

AT = "2026-03-02T09:00:00Z"


def a_delivery(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "d1",
        "post": "p1",
        "key": None,
        "channel": "web",
        "state": "held",
        "due": "2026-03-02T12:00:00Z",
        "text": "Vive l'été !",
        "tags": ["promo"],
        "reason": "pause",
        "decision": None,
        "clash": [],
        "wall": "2026-03-02T13:00:00",
        "zone": "Europe/Paris",
        "holds": [{"kind": "pause", "ref": "c1", "words": []}],
        "media": [],
        "link": None,
        "author": "lea",
    }
    return {**row, **changes}


def a_cause(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "c1",
        "kind": "story",
        "reason": "Knife attack in Annecy",
        "since": AT,
        "by": "detector",
        "evidence": [
            {"title": "Annecy: attack in a park", "outlet": "Le Lac", "url": None, "at": AT},
        ],
    }
    return {**row, **changes}


def a_status(**changes: Any) -> dict[str, Any]:
    doc = {
        "state": "running",
        "mode": "live",
        "sealed": False,
        "sealed_at": None,
        "version": 3,
        "causes": [],
        "inhibits": [],
        "sight": {"ok": True, "age_s": 40.0, "alive": 31, "feeds": 34},
        "queue": {
            "scheduled": 2,
            "held": 0,
            "sending": 0,
            "uncertain": 0,
            "awaiting_approval": 0,
            "sent_24h": 5,
        },
        "next_due": [],
        "lead_until": None,
        "flags": [],
        "state_dir": "/srv/killswitch",
        "now": AT,
        "language": "en",
        "timezone": "Europe/Paris",
    }
    return {**doc, **changes}


@dataclass
class FakeDesk:
    """Answers from plain attributes; every call is kept in ``calls``."""

    doc: dict[str, Any] = field(default_factory=a_status)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    preview: dict[str, Any] = field(default_factory=dict)
    seal_doc: dict[str, Any] = field(default_factory=dict)
    acked: dict[str, Any] = field(default_factory=dict)
    orphaned: dict[str, int] = field(default_factory=dict)
    refusal: Exception | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stuck: threading.Event | None = None

    def note(self, called: str, /, **said: Any) -> None:
        self.calls.append((called, said))
        if self.refusal is not None and called not in {"pause", "status"}:
            raise self.refusal

    def asked(self, name: str) -> list[dict[str, Any]]:
        return [said for called, said in self.calls if called == name]

    def status(self):
        self.note("status")
        return self.doc

    def pause(self, reason, *, key, review_s, caller):
        self.note("pause", reason=reason, key=key, review_s=review_s, caller=caller)
        return self._receipt(sealed=None)

    def seal(self, version, *, wait_s):
        self.note("seal", version=version, wait_s=wait_s)
        return self.seal_doc or self._receipt(sealed=True)

    def _receipt(self, *, sealed):
        return {
            "accepted": True,
            "via": "socket",
            "sealed": sealed,
            "sealed_at": AT if sealed else None,
            "version": 4,
            "on_wire": [],
            "uncertain": [],
            "state_dir": self.doc["state_dir"],
        }

    def ack(self, *, caller):
        self.note("ack", caller=caller)
        return {"acked_by": caller.person, "acked_at": AT, "notices": 2, **self.acked}

    def resume_preview(self):
        self.note("resume_preview")
        empty = {
            "version": 3,
            "causes": [],
            "standing": [],
            "undecided": [],
            "decided": [],
            "held": 0,
            "next_24h": [],
            "uncertain": [],
        }
        return {**empty, **self.preview}

    def resume(self, seen, *, reason, keep_held, caller):
        self.note("resume", seen=seen, reason=reason, keep_held=keep_held, caller=caller)
        if seen != 3:
            raise RefusedError("stale", "the pause changed since you looked", "look again")
        return {"version": 4, "closed": ["c1"], "held": 0, "lead_until": AT, "released": 0}

    def dismiss(self, seen, *, reason, caller):
        self.note("dismiss", seen=seen, reason=reason, caller=caller)
        return {"version": 4, "closed": ["c1"], "still_paused": False, "muted": ["s1"]}

    def queue_list(self, chosen):
        self.note("queue_list", chosen=chosen)
        start = int(chosen.after or 0)
        rows = [
            row for row in self.deliveries if not chosen.states or row["state"] in chosen.states
        ]
        page = rows[start : start + chosen.limit]
        more = start + len(page) < len(rows)
        return {"deliveries": page, "next": str(start + len(page)) if more else None}

    def queue_add(self, post, *, caller):
        self.note("queue_add", post=post, caller=caller)
        if "nowhere" in post.channels:
            raise UsageError("unknown_channel", "there is no channel nowhere", "one of web")
        due = "2026-03-02T12:00:00Z"
        ids = [f"d{number}" for number, _ in enumerate(post.channels)]
        wall = "2026-03-02T13:00:00"
        return {
            "post": "p1",
            "ids": ids,
            "due": due,
            "wall": wall,
            "zone": "Europe/Paris",
            "note": None,
        }

    def queue_show(self, ref):
        self.note("queue_show", ref=ref)
        for row in self.deliveries:
            if row["id"].startswith(ref):
                empty = {"history": [], "attempts": [], "looks": [], "retractions": []}
                return {**empty, "retraction": None, **row}
        raise RefusedError("not_found", f"there is no post {ref}", "killswitch queue list")

    def queue_act(self, act, *, caller):
        self.note("queue_act", act=act, caller=caller)
        due = "2026-03-02T12:00:00Z"
        ids = act.ids or act.chosen.ids
        done = [{"id": one, "state": "held", "due": due, "decision": act.verb} for one in ids]
        return {"done": done, "refused": []}

    def import_open(self, name, *, caller):
        self.note("import_open", name=name)
        return {"import": "b1"}

    def import_rows(self, batch, rows, *, caller):
        self.note("import_rows", batch=batch, rows=tuple(rows))
        if self.stuck is not None:
            self.stuck.wait(20)
        bad = [
            {"line": row.line, "message": "there is no channel nowhere"}
            for row in rows
            if "nowhere" in row.post.channels
        ]
        return {"staged": len(rows) - len(bad), "same": 0, "bad": bad}

    def import_commit(self, batch, *, dry_run, caller):
        self.note("import_commit", batch=batch, dry_run=dry_run)
        rows = sum(len(said["rows"]) for said in self.asked("import_rows"))
        return {"added": rows, "same": 0}

    def import_drop(self, batch, *, caller):
        self.note("import_drop", batch=batch)

    def feeds(self):
        self.note("feeds")
        return [
            {
                "name": "lelac",
                "outlet": "Le Lac",
                "kind": "news",
                "alive": True,
                "frozen": False,
                "last_good_at": AT,
                "newest_item_at": AT,
                "gap_median_s": 600.0,
                "failures": 0,
                "problem": None,
                "next_poll_at": AT,
            }
        ]

    def look(self, *, caller):
        self.note("look")
        return {"feeds": 1, "failed": []}

    def channels(self):
        self.note("channels")
        return [
            {
                "name": "web",
                "kind": "webhook",
                "ok": True,
                "limits": {"min_gap_s": 300},
                "sent_24h": 5,
                "waits_until": None,
                "problem": None,
            }
        ]

    def channels_check(self, *, caller):
        self.note("channels_check")
        return self.channels()

    def incidents(self, *, limit):
        self.note("incidents", limit=limit)
        return [an_incident()]

    def incident(self, ref):
        self.note("incident", ref=ref)
        return {**an_incident(), "causes": [a_cause()], "posts": [a_delivery()], "decisions": []}

    def whose(self, query):
        self.note("whose", query=query)
        if query == "d1":
            return {
                "found": True,
                "delivery": a_delivery(state="sent"),
                "author": "lea",
                "approved_by": None,
                "sent_at": AT,
            }
        return {
            "found": False,
            "delivery": None,
            "author": None,
            "approved_by": None,
            "sent_at": None,
        }

    def notify_test(self, *, caller):
        self.note("notify_test")
        return {"tellings": [{"address": "ntfy://…", "accepted": True, "problem": None}]}

    def seen(self, feed, *, since, after, limit):
        self.note("seen", feed=feed, since=since, after=after, limit=limit)
        item = {"id": "n1", "title": "Calm", "summary": "", "url": "", "lang": "en",
                "published": AT, "seen": AT, "dismissed": False, "alert": None}  # fmt: skip
        return {"items": [item], "next": None}

    def audit(self, *, after, limit, subject):
        self.note("audit", after=after, limit=limit, subject=subject)
        row = {"seq": 1, "at": AT, "actor": "lea", "event": "pause", "subject": "queue", "data": {}}
        return {"rows": [row] if after < 1 else [], "next": None}

    def audit_verify(self):
        self.note("audit_verify")
        return {
            "ok": True, "rows": 1, "broken_at": None, "why": None, "unread": False,
            "since": 1, "breaks": [],
        }  # fmt: skip

    def erase(self, login, *, caller):
        self.note("erase", login=login)

    def backup(self, to, *, caller):
        self.note("backup", to=to)
        return {"path": to, "bytes": 4096}

    def reload(self, *, caller):
        self.note("reload")
        return {"changed": ["queue.lead"], "orphaned": self.orphaned}

    def metrics(self):
        self.note("metrics")
        return "killswitch_paused 0\n"


def an_incident():
    return {
        "id": "i1",
        "title": "Knife attack in Annecy",
        "kind": "story",
        "times": {"first_headline_at": AT, "tripped_at": AT, "sealed_at": AT, "resumed_at": None},
        "fever": {"per_hour": 63, "trend": "rising"},
        "deliveries": {"held": 14, "sent_between": 1},
        "acked_by": "lea",
        "resumed_by": None,
        "resume_reason": None,
        "outcome": None,
    }


@contextmanager
def serving(desk: FakeDesk, home: Path, *, roles: Roles | None = None) -> Iterator[ControlServer]:
    """Serve a desk on ``control.sock`` of a state directory, over the real server."""
    rules = roles or Roles()
    server = ControlServer(create_app(desk, roles=rules), path=home / "control.sock")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        rules.close()


@contextmanager
def a_home() -> Iterator[Path]:
    """A state directory with a path short enough for a Unix socket, as a new store makes it."""
    with tempfile.TemporaryDirectory(prefix="ks-") as name:
        home = Path(name)
        flags = FlagDir(home)
        flags.create()
        flags.fill_spares()
        yield home
