"""
The steps of the model and the failpoints of the code at which a test can stop each of them.

A step without one is the world's: a request that arrives, a crash. A failpoint without a step is
of something that can't let a post out; it is named in ``OUTSIDE``, so that a new one is given its
place before it lands.
"""

from __future__ import annotations

_NODE = {
    "claim": ("claim.after_commit",),
    "hold": ("hold.before_commit",),
    "reap": ("reap.before_commit", "reap.after_commit"),
    "intend": ("gate.after_media", "gate.before_commit", "gate.after_intent"),
    "look": ("gate.after_flag",),
    "look_again": ("gate.before_request",),
    "abort": ("gate.before_abort",),
    "send": (
        "request.after_headers",
        "request.in_body",
        "request.after_body",
        "file.after_write",
    ),
    "arrive": (),
    "answer": ("gate.after_answer",),
    "record": ("gate.before_record", "gate.after_record"),
    "press": ("pause.before_trip",),
    "pause": ("trip.before_commit", "pause.before_commit", "pause.after_trip"),
    "pause_by_flag": ("flag.before_sync", "flag.after_sync"),
    "guard": ("flag.before_commit", "flag.after_commit"),
    "seal": ("seal.before_commit", "seal.after_commit"),
    "resume_look": ("resume.after_look",),
    "resume_flags": ("resume.after_flags",),
    # What was decided follows in portions, each a step of its own; until then it stays held.
    "resume_commit": (
        "resume.before_commit",
        "resume.after_commit",
        "release.before_commit",
        "release.after_commit",
    ),
    "ingest": ("ingest.after_fetch", "ingest.before_commit", "ingest.after_commit"),
    "grade": ("grade.after_trip", "grade.before_commit", "grade.after_commit"),
    "judge": (),
    "crash": (),
    "start": ("recover.before_commit", "recover.after_commit", "start.after_recovery"),
    "lift": ("start.after_drain",),
}
_WORLD = {
    "add": (
        "add.before_commit",
        "add.after_commit",
        "import.before_commit",
        "import.after_commit",
    ),
    "arrive_late": (),
    "write_flag": ("flag.before_sync", "flag.after_sync"),
    "seal_by_store": (),
    "decide": ("act.after_one", "act.after_commit"),
    "resolve": ("act.after_one", "act.after_commit", "probe.after_answer"),
    "dismiss": ("dismiss.before_commit", "dismiss.after_commit"),
    "power_cut": (),
}
NODE_STEPS, WORLD_STEPS = tuple(_NODE), tuple(_WORLD)
FAILPOINTS = _NODE | _WORLD
OUTSIDE = frozenset(
    {
        "notify.after_send",
        "retract.after_answer",
        "start.before_furnished",
        "migrate.after_backup",
        "migrate.before_commit",
        "migrate.after_commit",
        "backup.after_create",
        "backup.after_copy",
        "restore.after_copy",
        "restore.after_aside",
        "close.before_checkpoint",
    }
)
