"""
An incident as a document that leaves the terminal: Markdown or one HTML page.

Invariant: every foreign text is escaped for the form it is written in.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from killswitch.cli.out import Times, brief, plain
from killswitch.cli.terms import cause_word, decision_word, moment_word, reason_words, state_word
from killswitch.cli.words import tr

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")

_HEAD = """<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:1rem auto;padding:0 1rem}}
th{{text-align:left;vertical-align:top;padding-right:1rem}}</style></head>"""

Doc = dict[str, Any]
Row = tuple[str, str]


def markdown(doc: Doc, times: Times) -> str:
    """Write an incident as Markdown."""
    lines = [f"# {_md(brief(doc['title']))}", ""]
    for title, rows in _sections(doc, times):
        if rows:
            lines += [f"## {title}", ""]
            lines += [f"- {_md(name)}: {_md(value)}" for name, value in rows]
            lines.append("")
    return "\n".join(lines).rstrip()


def html(doc: Doc, times: Times) -> str:
    """Write an incident as one page that loads nothing."""
    title = escape(brief(doc["title"]))
    parts = [_HEAD.format(title=title, lang=tr("en")), f"<body><h1>{title}</h1>"]
    for title, rows in _sections(doc, times):
        if rows:
            cells = "".join(
                f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows
            )
            parts.append(f"<h2>{escape(title)}</h2><table>{cells}</table>")
    return "\n".join([*parts, "</body></html>"])


def _sections(doc: Doc, times: Times) -> list[tuple[str, list[Row]]]:
    from killswitch.cli.incidents import after_sending, facts  # noqa: PLC0415 - the same facts

    headlines = [
        (times.full(piece["at"]), f"{plain(piece['outlet'])}: {brief(piece['title'])}")
        for cause in doc["causes"]
        for piece in cause["evidence"]
    ]
    moments = [(moment_word(name), times.full(at)) for name, at in doc["times"].items() if at]
    return [
        (tr("When"), moments),
        (tr("Measured"), facts(doc)),
        (tr("Why"), [_why(cause) for cause in doc["causes"]]),
        (tr("Headlines"), headlines),
        (tr("Posts"), [_post(row, after_sending(row, times), times) for row in doc["posts"]]),
        (tr("Decisions"), [_decision(row, times) for row in doc["decisions"]]),
    ]


def _post(row: Doc, after: str, times: Times) -> Row:
    line = f"{row['channel']}, {state_word(row['state'])}: {row['text']}"
    return times.full(row["due"]), plain(line + (f" ({after})" if after else ""))


def _why(cause: Doc) -> Row:
    return cause_word(cause["kind"]), reason_words(cause["kind"], cause["reason"])


def _decision(row: Doc, times: Times) -> Row:
    what, who = decision_word(row.get("decision") or "-"), plain(row.get("by") or "-")
    told_at = tr("{decision}, by {who}, {when}")
    line = told_at.format(decision=what, who=who, when=times.full(row.get("at")))
    return str(row.get("delivery") or "-"), line


def _md(text: str) -> str:
    return _MARKS.sub(r"\\\1", plain(text))
