"""
The status as people read it: a pure function of the document, in the language of the team.

Standard library only. The same shape whatever the state: one headline, labelled lines without
empty ones, the next step last.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.out import Ink, Times, brief, head, plain, span, span_s
from killswitch.cli.terms import cause_word, reason_words
from killswitch.cli.words import many, told

Words = Callable[[str], str]
Line = tuple[str, str]

DUE_SHOWN = 3
WENT_OUT_SHOWN = 3
WORDS_SHOWN = 5
CAUSES_SHOWN = 4
A_SECOND = timedelta(seconds=1)


class Screen:
    """Renders one status document."""

    def __init__(self, doc: dict[str, Any], *, times: Times, words: Words, ink: Ink) -> None:
        """Keep what every line needs."""
        self._doc = doc
        self._times = times
        self._say = words
        self._ink = ink

    def text(self) -> str:
        """Write the whole screen."""
        labelled = [(label, value) for label, value in self._lines() if value]
        wide = max((len(label) for label, _ in labelled), default=0) + 2
        body = [f"{label.ljust(wide)}{value}" for label, value in labelled]
        last = self._last()
        if isinstance(last, str):
            return "\n".join([self._headline(), *body, last])
        wide = max(wide, len(last[0]) + 2)
        body = [f"{label.ljust(wide)}{value}" for label, value in labelled]
        return "\n".join([self._headline(), *body, f"{last[0].ljust(wide)}{last[1]}"])

    # ---- the headline ---------------------------------------------------------------------------

    def _headline(self) -> str:
        state = self._doc["state"]
        if state == "paused":
            return self._ink(self._paused(), "red")
        if state == "running":
            return self._ink(self._running(), "green")
        said = {
            "starting": self._say("STARTING: nothing leaves until the news has been read"),
            "inhibited": self._say("WAITING: nothing leaves for now (lifts by itself)"),
            "unreachable": self._say("NO ANSWER from the daemon"),
        }
        return self._ink(said.get(state, str(state)), "yellow")

    def _paused(self) -> str:
        doc = self._doc
        since = doc.get("since") or min((cause["since"] for cause in doc["causes"]), default=None)
        ago = self._times.ago(since)
        start = self._say("PAUSED for {span}").format(span=span(ago, self._say))
        if ago < A_SECOND:
            start = self._say("PAUSED just now")
        if doc["sealed"]:
            when = self._times.exact(doc["sealed_at"])
            return start + self._say(": nothing leaves since {when}").format(when=when)
        count = (doc.get("queue") or {}).get("sending", 0)
        if not count:
            return start + self._say(": nothing new leaves, not sealed yet")
        return start + self._say(
            ": nothing new leaves, not sealed yet, {count} on the wire may still go out"
        ).format(count=count)

    def _running(self) -> str:
        mode = self._doc.get("mode")
        if mode == "rehearsal":
            return self._say("RUNNING, rehearsal: posts leave, the news pauses nothing")
        if mode == "guard":
            return self._say("RUNNING, guard: watching, without a queue of its own")
        return self._say("RUNNING: posts leave when they are due")

    # ---- the lines ------------------------------------------------------------------------------

    def _lines(self) -> Iterable[Line]:
        say = self._say
        yield say("Check this"), self._uncertain()
        for number, why in enumerate(self._why()):
            yield say("Why") if number == 0 else "", why
        yield say("Fever"), self._fever()
        yield say("Went out"), self._went_out()
        yield say("Held"), self._held()
        yield say("Failed"), self._failed()
        yield say("Next"), self._next()
        yield say("Channels"), self._gone()
        yield say("Sent"), self._sent()
        yield say("Who"), self._who()
        yield say("By hand"), self._by_hand()
        yield say("Relays"), self._relays()
        yield say("Notices"), self._notices()
        yield say("Watching"), self._watching()
        if not self._waits_for_another():
            yield say("One outlet"), self._one_outlet()
        yield say("Rehearsal"), self._rehearsal()
        yield say("Config"), self._config()
        yield say("Flags"), self._flags()
        yield say("Times"), "" if self._is_lost else self._times.zone_now
        yield say("State in"), plain(str(self._doc["state_dir"])) if self._is_lost else ""

    @property
    def _is_lost(self) -> bool:
        return bool(self._doc["state"] == "unreachable")

    def _uncertain(self) -> str:
        posts = self._doc.get("uncertain") or []
        if posts:
            text = self._say("may have gone out: {posts}").format(posts=self._posts(posts))
            return self._ink(text, "red")
        count = (self._doc.get("queue") or {}).get("uncertain", 0)
        return self._say("{count} may have gone out").format(count=count) if count else ""

    def _why(self) -> list[str]:
        causes = self._doc["causes"]
        lines = [self._cause(cause) for cause in causes[:CAUSES_SHOWN]]
        if len(causes) > CAUSES_SHOWN:
            lines.append(self._say("and {count} more").format(count=len(causes) - CAUSES_SHOWN))
        # What one outlet alone says is told once: here where posts wait for it, else further down.
        alone = {"unconfirmed"} if self._doc.get("one_outlet") else set()
        waits = [one for one in self._doc["inhibits"] if one["kind"] not in alone]
        if self._waits_for_another():
            lines.append(self._one_outlet())
        return lines + [told(brief(one["reason"])) for one in waits]

    def _waits_for_another(self) -> bool:
        """Say whether posts wait since one newsroom alone reports something."""
        waits = any(one["kind"] == "unconfirmed" for one in self._doc["inhibits"])
        return bool(waits and self._doc["state"] == "inhibited" and self._doc.get("one_outlet"))

    def _cause(self, cause: dict[str, Any]) -> str:
        kind = cause["kind"]
        reason = reason_words(kind, cause["reason"]) or cause_word(kind)
        if cause["kind"] in {"manual", "flag"}:
            who = told(plain(cause["by"]))
            when = self._times.short(cause["since"])
            return self._say("{reason} (by {who}, {when})").format(
                reason=reason, who=who, when=when
            )
        outlets, first_at, first = self._sources(cause)
        if not outlets:
            return reason
        if outlets == 1:
            form = self._say("{reason}: one outlet, first headline {when} ({outlet})")
        else:
            form = self._say("{reason}: {count} outlets, first headline {when} ({outlet})")
        when = self._times.short(first_at)
        return form.format(reason=reason, count=outlets, when=when, outlet=plain(first or "-"))

    def _sources(self, cause: dict[str, Any]) -> tuple[int, str | None, str | None]:
        """Count the outlets behind a cause, and name the first with its time."""
        incident = self._doc.get("incident")
        if incident and cause["kind"] == "story" and len(self._doc["causes"]) == 1:
            first_at = incident["first_headline_at"]
            return incident["outlets"], first_at, incident["first_outlet"]
        evidence = cause["evidence"]
        first = min(evidence, key=lambda piece: piece["at"] or "~", default=None)
        if first is None:
            return 0, None, None
        return len({piece["outlet"] for piece in evidence}), first["at"], first["outlet"]

    def _fever(self) -> str:
        fever = self._doc.get("fever")
        if not fever:
            return ""
        trends = {
            "rising": self._say("rising"),
            "steady": self._say("steady"),
            "falling": self._say("falling"),
        }
        form = many(
            "{count} headline/h, {trend}",
            "{count} headlines/h, {trend}",
            fever["per_hour"],
            self._say,
        )
        return form.format(
            count=fever["per_hour"], trend=trends.get(fever["trend"], fever["trend"])
        )

    def _went_out(self) -> str:
        posts = self._doc.get("went_out") or []
        if not posts:
            return ""
        told_at = (self._doc.get("incident") or {}).get("first_headline_at")
        if told_at:
            start = many(
                "{count} post since the first headline: {posts}: have a look",
                "{count} posts since the first headline: {posts}: have a look",
                len(posts),
                self._say,
            )
        else:
            start = many(
                "{count} post shortly before: {posts}: have a look",
                "{count} posts shortly before: {posts}: have a look",
                len(posts),
                self._say,
            )
        return start.format(count=len(posts), posts=self._posts(posts))

    def _posts(self, posts: list[dict[str, Any]]) -> str:
        shown = []
        for post in posts[:WENT_OUT_SHOWN]:
            at, recorded = self._left(post)
            who = f" ({told(plain(post['author']))})" if post.get("author") else ""
            note = f" ({told(brief(post['note']))})" if post.get("note") else ""
            name = f"{plain(post['channel'])} {head(post['text'], 40)}"
            shown.append(f"{at}{name}{recorded}{who}{note}")
        more = len(posts) - WENT_OUT_SHOWN
        return " · ".join(shown) + (f" · +{more}" if more > 0 else "")

    def _left(self, post: dict[str, Any]) -> tuple[str, str]:
        """Tell when a request went out and, where that is another minute, when it was recorded."""
        asked = post.get("request_at") or post.get("at")
        if not asked:
            return "", ""
        left = self._times.short(asked)
        recorded = self._times.short(post["at"]) if post.get("at") else left
        if recorded == left:
            return f"{left} ", ""
        return f"{left} ", self._say(" (recorded {when})").format(when=recorded)

    def _held(self) -> str:
        held = (self._doc.get("queue") or {}).get("held", 0)
        if not held:
            return ""
        clashes = self._doc.get("clashes") or {"count": 0, "words": []}
        if not clashes["count"]:
            return str(held)
        words = ", ".join(f'"{plain(word)}"' for word in clashes["words"][:WORDS_SHOWN])
        return self._say("{held}, of these {count} clash: {words}").format(
            held=held, count=clashes["count"], words=words
        )

    def _failed(self) -> str:
        count = (self._doc.get("queue") or {}).get("failed", 0)
        return self._ink(failed_text(count, self._say), "yellow") if count else ""

    def _next(self) -> str:
        shown = []
        for due in self._doc["next_due"][:DUE_SHOWN]:
            if due.get("waits_until"):
                shown.append(self._channel_waits(due))
                continue
            held = self._say(" (held)") if due.get("state") == "held" else ""
            when = self._times.short(due["due"])
            shown.append(f"{when} {plain(due['channel'])} {head(due['text'], 40)}{held}")
        if not shown and self._doc["state"] == "running" and self._doc.get("mode") != "guard":
            return self._say("nothing is scheduled")
        return " · ".join(dict.fromkeys(shown))

    def _gone(self) -> str:
        gone = self._doc.get("orphaned") or {}
        if not gone:
            return ""
        text = " · ".join(
            many(
                "{channel} is not configured any more, {count} post of it can't leave",
                "{channel} is not configured any more, {count} posts of it can't leave",
                count,
                self._say,
            ).format(channel=plain(channel), count=count)
            for channel, count in gone.items()
        )
        form = self._say(
            "{what}: configure it again and reload, or killswitch queue cancel {which}"
        )
        which = f"--channel {shlex.quote(plain(next(iter(gone))))}"
        return self._ink(form.format(what=text, which=which), "yellow")

    def _channel_waits(self, due: Mapping[str, Any]) -> str:
        until = f"→ {self._times.short(due['waits_until'])}"
        channel, why = plain(due["channel"]), told(plain(due["waits_why"]))
        return self._say("WAITING {time} · {channel}: {why}").format(
            time=until, channel=channel, why=why
        )

    def _sent(self) -> str:
        queue = self._doc.get("queue")
        if not queue or self._doc["state"] == "paused":
            return ""
        text = self._say("{count} in the last 24 h, {scheduled} scheduled").format(
            count=queue["sent_24h"], scheduled=queue["scheduled"]
        )
        waiting = queue["awaiting_approval"]
        if waiting:
            form = self._say(", {count} wait for approval")
            if waiting == 1:
                form = self._say(", 1 waits for approval")
            text += form.format(count=waiting)
        return text

    def _who(self) -> str:
        if self._doc["state"] != "paused":
            return ""
        who = self._doc.get("who") or {}
        if not who.get("acked_by"):
            return self._ink(again(self._say("nobody yet: killswitch ack")), "yellow")
        text = self._say("{name} took it at {when}").format(
            name=told(plain(who["acked_by"])), when=self._times.short(who.get("acked_at"))
        )
        if who.get("next"):
            text += self._say("; after them: {name}").format(name=plain(who["next"]))
        return text

    def _by_hand(self) -> str:
        if self._doc["state"] != "paused":
            return ""
        shown = []
        for place in self._doc.get("by_hand") or []:
            if place["state"] == "stopped":
                when = self._times.short(place.get("at"))
                word = self._say("{name} stopped {when}")
                shown.append(word.format(name=plain(place["name"]), when=when))
            else:
                word = self._say("{name} NOT CONFIRMED")
                shown.append(self._ink(word.format(name=plain(place["name"])), "yellow"))
        return " · ".join(shown)

    def _relays(self) -> str:
        shown = []
        for relay in self._doc.get("relays") or []:
            if relay["reached"]:
                word = self._say("{name} reached {when}")
                when = self._times.short(relay.get("at"))
                shown.append(word.format(name=plain(relay["name"]), when=when))
            else:
                word = self._say("{name} NOT REACHED: {why}")
                why = told(plain(relay.get("problem") or "-"))
                text = word.format(name=plain(relay["name"]), why=why)
                shown.append(self._ink(text, "yellow"))
        return " · ".join(shown)

    def _notices(self) -> str:
        failing = (self._doc.get("notices") or {}).get("failing") or []
        if not failing:
            return ""
        shown = ", ".join(
            f"{plain(one['address'])} ({told(plain(one['problem']))})" for one in failing
        )
        return self._ink(self._say("not delivered: {where}").format(where=shown), "yellow")

    def _watching(self) -> str:
        sight = self._doc.get("sight")
        if not sight:
            return ""
        text = self._say("{alive} of {feeds} feeds alive").format(
            alive=sight["alive"], feeds=sight["feeds"]
        )
        age = self._doc.get("last_round_age_s")
        age = sight["age_s"] if age is None else age
        if age is not None:
            ago = span_s(age, self._say)
            text += self._say(", last round {span} ago").format(span=ago)
        return text if sight["ok"] else self._ink(text, "yellow")

    def _one_outlet(self) -> str:
        shown = []
        for story in (self._doc.get("one_outlet") or [])[:2]:
            when = self._times.short(story["since"])
            where = f"{plain(story['outlet'])}, {when}" if story["outlet"] else when
            form = self._say("{title} ({where}): nobody else says so yet")
            shown.append(form.format(title=brief(story["title"]), where=where))
        return " · ".join(shown)

    def _rehearsal(self) -> str:
        return " · ".join(
            many(
                "would have paused {when}: {title} ({count} outlet)",
                "would have paused {when}: {title} ({count} outlets)",
                one["outlets"],
                self._say,
            ).format(
                when=self._times.short(one["at"]), title=brief(one["title"]), count=one["outlets"]
            )
            for one in (self._doc.get("rehearsal") or [])[-3:]
        )

    def _config(self) -> str:
        refused = self._doc.get("config_refused")
        if not refused:
            return ""
        form = self._say("NOT LOADED since {when}, the old one is at work: {why}")
        when = self._times.short(refused["since"])
        return self._ink(form.format(when=when, why=told(brief(refused["why"]))), "yellow")

    def _flags(self) -> str:
        return " · ".join(map(self._flag, self._doc["flags"]))

    def _flag(self, flag: Mapping[str, Any]) -> str:
        name = plain(flag["name"])
        if flag.get("is_dir"):
            path = f"{plain(str(self._doc['state_dir']))}/pause.d/{name}"
            form = self._say("{name} is a directory: look into it, rm -r {path}, then resume")
            return self._ink(form.format(name=name, path=path), "yellow")
        return name + (f" ({brief(flag['note'])})" if flag["note"] else "")

    # ---- the last line --------------------------------------------------------------------------

    def _last(self) -> Line | str:
        state = self._doc["state"]
        if state == "paused":
            return self._say("Next step"), self._ink(again(self._paused_step()), "bold")
        if state == "unreachable" and self._doc.get("hint"):
            return self._say("Next step"), again(told(plain(self._doc["hint"])))
        if state == "unreachable":
            command = plain(self._doc.get("start") or "killswitch run")
            text = self._say("start the daemon: {command}").format(command=command)
            return self._say("Next step"), again(text)
        return again(self._say('Stop everything: killswitch pause "reason"'))

    def _paused_step(self) -> str:
        undecided = self._doc.get("undecided") or 0
        if undecided:
            return many(
                "killswitch triage   (resume after {count} decision)",
                "killswitch triage   (resume after {count} decisions)",
                undecided,
                self._say,
            ).format(count=undecided)
        return self._say('killswitch resume --reason "why"')


def failed_text(count: int, words: Words) -> str:
    """Tell of posts that failed and that nobody has looked at, with the command that lists them."""
    if count == 1:
        return words("1 post that nobody has looked at: killswitch queue --state failed")
    form = words("{count} posts that nobody has looked at: killswitch queue --state failed")
    return form.format(count=count)


def status_text(doc: dict[str, Any], *, times: Times, words: Words, ink: Ink) -> str:
    """
    Write a status for people.

    Args:
        doc: A ``StatusDoc``.
        times: Zone and present time.
        words: The translator.
        ink: Colours, or none.
    """
    return Screen(doc, times=times, words=words, ink=ink).text()
