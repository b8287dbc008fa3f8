"""
The notifier process: apprise at work, away from the gate.

``killswitch.child`` starts it and kills it when it takes too long. One question is one address:
``{"do": "send", "url", "title", "body", "silent"}`` is answered by ``{"accepted", "problem"}``,
``{"do": "check", "url"}`` tells in the same shape whether apprise can read the address.

Known traps of apprise that this works around:
    An object waits 5.5 s between two messages: every call makes a fresh one.
    ``notify`` with no service in it is neither a success nor an exception: only SUCCESS counts.
    XMPP says SUCCESS without a login: its scheme is not on the list.
    Pictures are fetched by the receiving phone from a public host: no picture is named.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from killswitch.child import serve
from killswitch.notify.schemes import check_address, prepared, scrub

SEND_TIMEOUT_S = 20.0
"""Longest wait for one address; the parent kills this process then."""
_SERVICE_TIMEOUT_S = 18.0
"""apprise gives up a little earlier, so that the reason is known and the process lives on."""
_RATE_S = 1.0
"""Most seconds between two recipients of one address; apprise would wait 5.5."""
_PROBLEM_LONGEST = 300


def handle(message: dict[str, Any], _body: bytes) -> dict[str, Any]:
    """Answer one question; never raises for a bad address."""
    url = str(message["url"])
    problem = check_address(url)
    if problem is not None:
        return _refused(problem)
    if message.get("do") == "check":
        read = _service(prepared(url, silent=False)) is not None
        return {"accepted": True, "problem": None} if read else _refused("apprise cannot read it")
    return _send(url, message)


def _send(url: str, message: dict[str, Any]) -> dict[str, Any]:
    service = _service(prepared(url, silent=bool(message.get("silent"))))
    if service is None:
        return _refused("apprise cannot read this address")
    apprise = _apprise()
    one = apprise.Apprise(asset=_asset())
    one.add(service)
    result = one.notify(title=str(message["title"]), body=str(message["body"]), body_format="text")
    if result.status == apprise.AppriseResultStatus.SUCCESS:
        return {"accepted": True, "problem": None}
    said = [entry.message for entry in result.logs()]
    why = said[0] if said else f"apprise says {result.status.name}"
    return _refused(scrub(why, url))


def _refused(problem: str) -> dict[str, Any]:
    return {"accepted": False, "problem": " ".join(problem.split())[:_PROBLEM_LONGEST]}


def _service(url: str) -> Any:
    """Make a fresh service object, or None if apprise can't read the address."""
    service = _apprise().Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    if service is not None:
        service.request_rate_per_sec = min(service.request_rate_per_sec, _RATE_S)
    return service


@cache
def _asset() -> Any:
    return _apprise().AppriseAsset(
        app_id="killswitch",
        app_desc="killswitch",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        body_format="text",
        async_mode=False,
        interpret_emojis=False,
        interpret_escapes=False,
        http_redirects=False,
        secure_logging=True,
        service_timeout=_SERVICE_TIMEOUT_S,
        plugin_paths=[],
        storage_mode="memory",
    )


@cache
def _apprise() -> Any:
    """Import apprise, which takes a quarter of a second, and keep its log out of ours."""
    import apprise  # noqa: PLC0415 - heavy: only this process may pay for it, and only at work

    log = logging.getLogger("apprise")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return apprise


if __name__ == "__main__":
    serve(handle, warm_up=_apprise)
