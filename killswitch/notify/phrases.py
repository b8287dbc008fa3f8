"""
Reasons that the daemon itself gives, so that notices can say them in another language.

A reason is stored in English; what no catalogue knows (a person's own words, a name, a number)
is shown as it was written.
"""

from __future__ import annotations

from killswitch.notify.voice import Voice


def phrase(text: str) -> str:
    """Mark a text for the catalogues."""
    return text


_KNOWN = frozenset(
    {
        phrase("it came too late to leave by itself"),
        phrase("it was scheduled from beyond the horizon and nobody confirmed it"),
        phrase("late"),
        phrase("no notice was accepted by any address for 15 min"),
        phrase("nobody approved it in time"),
        phrase("rejected"),
        phrase("skipped by a human"),
        phrase("the detector has not graded for a minute"),
        phrase("the flag directory is missing"),
        phrase("the store could not be written"),
    }
)


def in_words(voice: Voice, reason: object) -> str:
    """Say a reason in the language, where it is one of ours."""
    text = str(reason)
    return voice.say(text) if text in _KNOWN else voice.told(text)
