"""The JSON object that ``webhook`` posts and ``file`` appends: one shape for both."""

from __future__ import annotations

from typing import Any

from killswitch.channels.frame import Request
from killswitch.wire import z_time


def payload(request: Request) -> dict[str, Any]:
    """Return the object of a delivery; the same delivery always gives the same object."""
    return {
        "delivery": request.delivery,
        "key": request.key,
        "channel": request.channel,
        "text": request.content.text,
        "link": request.content.link,
        "tags": list(request.content.tags),
        "media": [{"path": m.path, "alt": m.alt} for m in request.content.media],
        "due": z_time(request.due),
    }
