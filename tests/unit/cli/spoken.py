"""
Find the texts that people are given, in the code: those of the screens, and reasons from below.

``python -m tests.unit.cli.spoken`` (``make catalogues``) compiles the French catalogues and prints
what they lack, as lines to fill in.
"""

from __future__ import annotations

import ast
import gettext
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from killswitch import i18n
from killswitch.cli.words import LOCALES
from killswitch.news.suggest import EFFECTS
from tests.unit.notify.catalogue import compiled, read_po

PACKAGE = LOCALES.parents[1]
FOLDERS = {"screens": LOCALES, "reasons": i18n.LOCALES}
TRANSLATORS = {"tr", "words", "_say", "_words", "many"}
"""Names of what says a text in the language; ``self._say`` and ``found.words()`` among them."""
TRANSLATED = {"many": 2}
"""How many of the first arguments are texts, where it is not one."""
ERRORS = {
    "KillswitchError", "OperatorError", "UsageError", "RefusedError", "ConfigError", "Refusal",
    "UnreachableError", "TransientError", "StoreBusyError", "LineProblem", "_Wrong",
}  # fmt: skip
"""What carries a message: the arguments after the first, or the only one."""
OF_ADMINISTRATORS = (
    "settings/", "demo/", "news/", "failpoints.py", "watch/lexicons.py", "notify/", "store/",
    "control/server.py", "daemon/configured.py", "cli/init.py",
)  # fmt: skip
"""Rooms whose messages speak of English files, or reach the log of a daemon that can't start."""
OF_REASONS = (
    "channels/", "cli/panic.py", "cli/doctor.py", "control/client.py", "daemon/eyes.py",
    "daemon/guard.py", "daemon/looking.py", "daemon/reaper.py", "daemon/retractor.py",
    "daemon/sweep.py", "desk/adding.py", "desk/carry_out.py", "desk/documents.py",
    "desk/pausing.py", "desk/resuming.py", "desk/retracting.py", "desk/verbs.py",
    "desk/verdicts.py", "flagging.py", "gate.py", "latch.py", "media.py", "net/door.py",
    "net/stream.py", "net/url.py", "news/levels.py", "news/story.py", "outcome.py",
    "queue/looking.py", "queue/rules.py", "queue/when.py", "store/audit.py", "store/noted.py",
    "trip.py", "watch/fetch.py", "watch/grader.py", "watch/parser_child.py", "watch/rhythm.py",
)  # fmt: skip
"""Where reasons are given outside of errors: every text of theirs reaches people."""
NO_TEXT = re.compile(
    r"SELECT|application/|gzip, |peer closed|bad day|appended that|said by|failed inside$|<!--"
)
"""What marks a text of those modules that nobody is shown."""
BY_HAND = {
    "{0} times", "the following arguments are required: {0}", "unrecognized arguments: {0}",
    "argument {0}: expected one argument", "argument {0}: invalid int value: {1}",
    "argument {0}: invalid choice: {1} (choose from {2})", "one of the arguments {0} is required",
    "argument {0}: not allowed with argument {1}", "usage: {0}",
    "argument {0}: {1} is no whole number: write one from {2} to {3}",
    "argument {0}: {1} is out of range: write a whole number from {2} to {3}",
    "argument {0}: expected at least one argument", "the server answers {0}: {1}",
    "the server answers {0}, which is not the answer of a feed",
    "both ids and a filter are given", "no post is named", "unknown field {0}", "once",
    "a column stands twice", "{0} is missing",
    "media {0} leaves the folder of the file: name it relative to it",
    "{0} was passed over: {1}; the defaults are used",
    "the feed lists no entries: it shows no news, and will not count as seen",
    "nothing new for {0}: such a feed counts as frozen, not as seen",
    "{0} (said by {1})", "disk", "daemon", "sight", "notices", "channels", "audit", "defaults",
    "it answers: {0}", "running", "paused", "inhibited", "starting",
    "No such file or directory", "Permission denied", "Is a directory",
    "{0} is not known here", "{0} has to be {1} or more", "{0} has to be {1} or less",
    "{0} has more than one line", "{0} holds the control sign {1}",
    "{0} holds ; or , which separate tags in queue files: give each its own",
    "No space left on device", "{0} of {1} outlets ({2}) within {3}", "1 of {0} outlets ({1})",
    "near", "far", "a post", 'the post {0} "{1}"',
    "the disk of {0} is full ({1} bytes free): nothing leaves without room",
    "the disk of {0} has no room for another file: nothing leaves without room",
    "make room there; the daemon goes on by itself; its log: journalctl -u killswitch", *EFFECTS,
}  # fmt: skip
"""Texts of argparse and of the system, and pieces of others."""
COMMAND = re.compile(
    r"killswitch(?: [a-z]+){1,2}(?: --[a-z]+(?: [a-z]+)?| [A-Z]+| \{0\})*"
    r"|--[a-z-]+[ A-Z]*(?:,? (?:or )?--[a-z-]+)*"
)
"""A hint that is a command alone is typed as it stands."""
WORD = re.compile(r"\b[a-z']{2,}\b")
PLACE = re.compile(r"\{\d\}")


def modules(*below: str) -> Iterator[tuple[str, ast.Module]]:
    """Read the modules of the package, or of some folders of it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not below or name.startswith(below):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.Call) -> str:
    """Name what is called; a translator that another call returned has that call's name."""
    func = node.func
    if isinstance(func, ast.Call):
        return called(func)
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def of_screens() -> dict[str, str]:
    """Map each text that a screen hands to its translator to its module."""
    found = {}
    for name, tree in modules("cli/"):
        # ``say`` prints everywhere but in the status screen, where it is short for the translator.
        translators = TRANSLATORS | ({"say"} if name.endswith("screen_status.py") else set())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in translators and node.args:
                for arg in node.args[: TRANSLATED.get(called(node), 1)]:
                    found |= dict.fromkeys(templates(arg), name)
    return found


def of_reasons() -> dict[str, str]:
    """Map each refusal, hint or reason, as a pattern, to its module."""
    found = dict.fromkeys(BY_HAND, "by hand")
    for name, tree in modules():
        if name.startswith(OF_REASONS):
            found |= dict.fromkeys(_loose(tree), name)
        if name.startswith(OF_ADMINISTRATORS):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in ERRORS:
                for arg in node.args[1:] or node.args:
                    texts = [text for text in templates(arg) if WORD.search(PLACE.sub("", text))]
                    texts = [text for text in texts if not COMMAND.fullmatch(text)]
                    found |= dict.fromkeys(texts, name)
    return found


def _loose(tree: ast.Module) -> Iterator[str]:
    """Find every text of several words in a module but its docstrings."""
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in passed:
            for text in templates(node):
                spoken = " " in text and not NO_TEXT.search(text) and not COMMAND.fullmatch(text)
                if spoken and len(WORD.findall(PLACE.sub("", text))) > 1:
                    yield text


def templates(node: ast.expr) -> Iterator[str]:
    """Write a text of the code with ``{0}``, ``{1}`` where it is filled in; both of an ``if``."""
    if isinstance(node, ast.IfExp):
        yield from templates(node.body)
        yield from templates(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if node.value:
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        places = iter(range(100))
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"{{{next(places)}}}"
            for part in node.values
        )


def catalogue(domain: str, language: str = "fr") -> dict[str, str]:
    """Read a compiled catalogue."""
    found = gettext.translation(domain, FOLDERS[domain], languages=[language])
    return {key: text for key, text in found._catalog.items() if key}


def po_path(domain: str) -> Path:
    """Find the catalogue that people write."""
    return FOLDERS[domain] / "fr" / "LC_MESSAGES" / f"{domain}.po"


def main() -> int:
    """Compile what people wrote; fail if it does not fit the code."""
    wrong = 0
    for domain, texts in (("screens", of_screens()), ("reasons", of_reasons())):
        written = read_po(po_path(domain).read_text(encoding="utf-8"))
        po_path(domain).with_suffix(".mo").write_bytes(compiled(written))
        there = set(catalogue(domain))
        for lacking in sorted(set(texts) - there):
            text = json.dumps(lacking, ensure_ascii=False)
            sys.stdout.write(f"# {domain}: {texts[lacking]}\nmsgid {text}\n")
        for unused in sorted(there - set(texts)):
            sys.stdout.write(f"# {domain}: no longer in the code: {unused}\n")
        wrong += len(set(texts) ^ there)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
