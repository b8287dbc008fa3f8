"""
The words of the product's vocabulary as people read them: states, reasons, decisions, kinds.

Standard library only. Commands, filters and ``--json`` keep the English words.
"""

from __future__ import annotations

from collections.abc import Mapping

from killswitch.cli.out import brief, plain
from killswitch.cli.words import told, tr


def state_word(state: str) -> str:
    """Say the state of a post."""
    return _word(
        state,
        {
            "draft": tr("draft"),
            "awaiting_approval": tr("awaiting approval"),
            "scheduled": tr("scheduled"),
            "held": tr("held"),
            "claimed": tr("claimed"),
            "sending": tr("sending"),
            "sent": tr("sent"),
            "uncertain": tr("uncertain"),
            "failed": tr("failed"),
            "skipped": tr("skipped"),
            "cancelled": tr("cancelled"),
            "retracting": tr("retracting"),
            "retracted": tr("retracted"),
        },
    )


def hold_word(kind: str) -> str:
    """Say why a post is held."""
    return _word(
        kind,
        {
            "pause": tr("pause"),
            "lead": tr("lead"),
            "clash": tr("clash"),
            "late": tr("late"),
            "horizon": tr("horizon"),
            "human": tr("human"),
        },
    )


def decision_word(decision: str) -> str:
    """Say what a human has decided on a held post."""
    return _word(
        decision,
        {
            "release": tr("release"),
            "move": tr("move"),
            "edit": tr("edit"),
            "skip": tr("skip"),
            "keep": tr("keep"),
        },
    )


def cause_word(kind: str) -> str:
    """Say what kind of cause a pause has."""
    return _word(
        kind,
        {
            "manual": tr("manual"),
            "story": tr("story"),
            "alert": tr("alert"),
            "blind": tr("blind"),
            "detector": tr("detector"),
            "clock": tr("clock"),
            "store": tr("store"),
            "flag": tr("flag"),
            "unclean_start": tr("unclean start"),
            "tamper": tr("tamper"),
            "notify": tr("notices"),
            "rate": tr("rate"),
        },
    )


def reason_words(kind: str, reason: str) -> str:
    """Say why it paused: what a human or a headline said stays as it is."""
    words = brief(reason)
    if kind in {"manual", "story", "alert"} and words != "paused by hand":
        return words
    return told(words)


def moment_word(name: str) -> str:
    """Say which moment of an incident is meant."""
    return _word(
        name,
        {
            "first_headline_at": tr("first headline"),
            "detected_at": tr("detected"),
            "tripped_at": tr("tripped"),
            "accepted_at": tr("accepted"),
            "sealed_at": tr("sealed"),
            "noticed_at": tr("noticed"),
            "acked_at": tr("answered"),
            "resumed_at": tr("resumed"),
        },
    )


def outcome_word(outcome: str) -> str:
    """Say how an incident ended."""
    return _word(outcome, {"resumed": tr("resumed"), "dismissed": tr("dismissed")})


def clash_words(words: list[str]) -> str:
    """Name the words of a post that clash with an event."""
    return tr("CLASH {words}").format(words=", ".join(f'"{plain(word)}"' for word in words))


def _word(name: str, known: Mapping[str, str]) -> str:
    """Say a word; what is not known here is a newer daemon's, shown as it says it."""
    return known.get(name, plain(name.replace("_", " ")))
