"""
What an author wrote, as a value with a hash.

The hash covers everything that the public will see: what was approved is what is sent, or
nothing is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Media:
    """One attached file: its path, the text for those who can't see it, the hash of its bytes."""

    path: str
    alt: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The visible part of a post."""

    text: str
    media: tuple[Media, ...] = ()
    link: str | None = None
    tags: tuple[str, ...] = ()

    def hash(self) -> str:
        """Return the SHA-256 of the canonical JSON form, in hex."""
        parts = {
            "text": self.text,
            "media": [[m.path, m.alt, m.sha256] for m in self.media],
            "link": self.link,
            "tags": list(self.tags),
        }
        canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def changed(self, change: Mapping[str, Any]) -> Content:
        """Return the content with the fields of a human's edit: ``text``, ``link``, ``tags``."""
        return replace(
            self,
            text=change.get("text", self.text),
            link=change.get("link", self.link),
            tags=tuple(change.get("tags", self.tags)),
        )
