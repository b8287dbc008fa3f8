"""
What a request may hold: every field bounded, strangers refused, text clean.

Pydantic checks; what comes out are the frozen values of ``killswitch.wire``. Lone surrogates are
refused by pydantic itself, NUL and other control signs here: no database and no terminal takes
them.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from killswitch.errors import UsageError
from killswitch.queue import files
from killswitch.queue.files import TAG_SEPARATORS
from killswitch.queue.states import DeliveryState
from killswitch.wire import ImportRow, Media, NewPost, QueueAct, QueueFilter, read_time

TEXT_LONGEST = 100_000
"""Longer than any network takes; the channel's own limit is checked by the desk."""
ROWS_MOST = 500
"""Rows of one import request: a chunk stays one short transaction."""
IDS_MOST = 1000
REVIEW_LONGEST_S = 30 * 86_400
VERSION_MOST = 2**53
"""Versions are exact in every JSON reader up to here."""

_CONTROL_SIGN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""All of them but the line feed, the carriage return and the tabulator."""


def _clean(text: str) -> str:
    found = _CONTROL_SIGN.search(text)
    if found:
        raise ValueError(f"holds the control sign U+{ord(found[0]):04X}")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ValueError("has more than one line")
    return _clean(text)


def _tag(text: str) -> str:
    if any(sign in TAG_SEPARATORS for sign in text):
        raise ValueError("holds ; or , which separate tags in queue files: give each its own")
    return _filled(text)


def _filled(text: str) -> str:
    """Take the blanks at the ends off, as queue files do."""
    if not text.strip():
        raise ValueError("is empty")
    return _one_line(text.strip())


Text = Annotated[str, Field(min_length=1, max_length=TEXT_LONGEST), AfterValidator(_clean)]
Reason = Annotated[str, Field(max_length=2000), AfterValidator(_clean)]
Word = Annotated[str, Field(min_length=1, max_length=files.WORD_MOST), AfterValidator(_one_line)]
Key = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_one_line)]
When = Annotated[str, Field(min_length=1, max_length=files.WHEN_MOST), AfterValidator(_one_line)]
Place = Annotated[
    str, Field(min_length=1, max_length=files.MEDIA_PATH_MOST), AfterValidator(_one_line)
]
Name = Annotated[str, Field(min_length=1, max_length=files.WORD_MOST), AfterValidator(_filled)]
Alt = Annotated[
    str, Field(max_length=files.ALT_MOST), AfterValidator(_clean), AfterValidator(str.strip)
]
Address = Annotated[str, Field(min_length=1, max_length=files.LINK_MOST), AfterValidator(_one_line)]
Version = Annotated[int, Field(ge=0, le=VERSION_MOST)]
Tag = Annotated[str, Field(min_length=1, max_length=files.WORD_MOST), AfterValidator(_tag)]
Tags = Annotated[list[Tag], Field(max_length=files.WORDS_MOST)]


class Body(BaseModel):
    """Base of every body: strict types, strangers refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Empty(Body):
    """A body that says nothing."""


class PauseBody(Body):
    """``POST /v1/pause``."""

    reason: Reason = ""
    key: Key
    review_s: Annotated[float, Field(gt=0, le=REVIEW_LONGEST_S, strict=False)] | None = None


class ResumeBody(Body):
    """``POST /v1/resume``."""

    seen: Version
    reason: Annotated[Reason, Field(min_length=1)]
    keep_held: bool = False


class DismissBody(Body):
    """``POST /v1/dismiss``."""

    seen: Version
    reason: Annotated[Reason, Field(min_length=1)]


class MediaBody(Body):
    """One file of a post."""

    path: Place
    alt: Alt = ""


class PostBody(Body):
    """``POST /v1/queue``."""

    text: Text
    at: When
    channels: Annotated[list[Word], Field(min_length=1, max_length=files.WORDS_MOST)]
    tags: Tags = []
    media: Annotated[list[MediaBody], Field(max_length=20)] = []
    link: Address | None = None
    expires: When | None = None
    key: Name | None = None

    def post(self) -> NewPost:
        """Turn it into the value of the desk."""
        return NewPost(
            text=self.text,
            at=self.at,
            channels=tuple(self.channels),
            tags=tuple(dict.fromkeys(self.tags)),
            media=tuple(Media(path=file.path, alt=file.alt) for file in self.media),
            link=self.link,
            expires=self.expires,
            key=self.key,
        )


class RowBody(PostBody):
    """One row of an import: a post with the line where it starts."""

    line: Annotated[int, Field(ge=1, le=10**9)]

    def row(self) -> ImportRow:
        """Turn it into the value of the desk."""
        return ImportRow(line=self.line, post=self.post())


class ImportBody(Body):
    """``POST /v1/imports``."""

    name: Word


class RowsBody(Body):
    """``POST /v1/imports/{id}/rows``."""

    rows: Annotated[list[RowBody], Field(min_length=1, max_length=ROWS_MOST)]


class FilterBody(Body):
    """
    Which deliveries a verb is about, each for itself; one call takes at most ``IDS_MOST`` of them.

    ``ids`` narrows the filter down: so a long list is worked through in portions.
    """

    ids: Annotated[list[Word], Field(max_length=IDS_MOST)] = []
    state: Annotated[list[Word], Field(max_length=20)] = []
    tag: Word | None = None
    channel: Word | None = None
    clash: bool = False

    def chosen(self) -> QueueFilter:
        """Turn it into the value of the desk."""
        return QueueFilter(
            states=known_states(self.state),
            tag=self.tag,
            channel=self.channel,
            clash=self.clash,
            ids=tuple(self.ids),
            limit=IDS_MOST,
        )


class ActBody(Body):
    """``POST /v1/queue/act``: either ids or a filter, never both and never neither."""

    verb: Literal[
        "edit",
        "move",
        "cancel",
        "hold",
        "release",
        "skip",
        "keep",
        "confirm",
        "resolve",
        "retract",
        "approve",
        "reject",
    ]
    ids: Annotated[list[Word], Field(max_length=IDS_MOST)] = []
    filter: FilterBody | None = None
    at: When | None = None
    text: Text | None = None
    link: Address | None = None
    tags: Tags | None = None
    sent: bool | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.ids) == (self.filter is not None):
            raise ValueError("name either ids or a filter")
        if self.verb == "move" and self.at is None:
            raise ValueError("move needs at")
        if (self.verb == "resolve") != (self.sent is not None):
            raise ValueError("sent belongs to resolve, and resolve needs it")
        if self.verb == "retract" and (self.filter is not None or not (self.reason or "").strip()):
            raise ValueError("retract takes ids, no filter, and needs a reason")
        if self.verb == "edit" and not (self.text or self.link or self.tags is not None or self.at):
            raise ValueError("edit changes text, link, tags or at: name one")
        return self

    def act(self) -> QueueAct:
        """Turn it into the value of the desk."""
        return QueueAct(
            verb=self.verb,
            ids=tuple(dict.fromkeys(self.ids)),
            chosen=self.filter.chosen() if self.filter else None,
            at=self.at,
            text=self.text,
            link=self.link,
            tags=None if self.tags is None else tuple(dict.fromkeys(self.tags)),
            sent=self.sent,
            reason=self.reason,
        )


class BackupBody(Body):
    """``POST /v1/backup``."""

    to: Place


def known_states(names: list[str]) -> tuple[str, ...]:
    """
    Check names of states.

    Raises:
        UsageError: One is not a state of a delivery.
    """
    known = {state.value for state in DeliveryState}
    for name in names:
        if name not in known:
            raise UsageError(
                "unknown_state", f"{name!r} is no state of a post", f"one of {', '.join(known)}"
            )
    return tuple(names)


def known_instant(text: str | None) -> datetime | None:
    """
    Read an instant of a query.

    Raises:
        UsageError: It is not ISO 8601 with an offset.
    """
    if text is None:
        return None
    try:
        return read_time(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            "bad_time",
            f"{text[:40]!r} is not a time with an offset",
            "for instance 2026-03-02T09:00:00Z",
        ) from error
