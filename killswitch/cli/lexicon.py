"""Look for phrases in the word lists that a person should mend."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from killswitch.cli.detect import opened, rows_of
from killswitch.cli.words import many, tr
from killswitch.errors import ConfigError, Exit, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from killswitch.news.lexicon import Finding, Lexicon

HELP = "look at the word lists: overlaps, words that never or always match, overdue reviews"


SAMPLE_LEAST = 100
"""Headlines: in fewer, one match more or less decides whether a phrase is told as too common."""
NEVER = "never"
"""Told, but nothing to mend: most disasters are not in anybody's sample."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lexicon``."""
    parser.add_argument("action", choices=("check",), help="check: report what should be mended")
    parser.add_argument(
        "--sample", metavar="FILE", help="headlines (JSON Lines) to try the phrases on"
    )
    parser.add_argument(
        "--language", action="append", default=[], metavar="CODE", help="only this list; repeatable"
    )


def run(args: argparse.Namespace) -> int:
    """
    Check the shipped lists.

    Returns:
        Exit code 0 when nothing needs mending, 1 when something does.

    Raises:
        UsageError: The sample cannot be read or is too small; no list reads a language.
        ConfigError: A list is broken.
    """
    from killswitch.clock import SystemClock  # noqa: PLC0415 - only for this command
    from killswitch.news.lexicon import check_lexicons  # noqa: PLC0415 - heavy
    from killswitch.watch.lexicons import load_lexicons  # noqa: PLC0415 - heavy

    try:
        lexicons = load_lexicons(args.language)
    except ConfigError as error:
        if error.code != "unknown_language":
            raise
        raise UsageError(error.code, error.message, error.hint) from error
    today = SystemClock().now().date()
    if args.sample:
        with opened(args.sample) as lines:
            titles = (str(row.get("title") or "") for row in rows_of(lines, args.sample))
            sample = [title for title in titles if title.strip()]
        if len(sample) < SAMPLE_LEAST:
            raise UsageError(
                "small_sample",
                f"{args.sample} holds {len(sample)} headlines; at least {SAMPLE_LEAST} are needed "
                "to tell which phrases match too often",
                "give the headlines of some days, or leave --sample out",
            )
        findings = check_lexicons(lexicons, today=today, sample=sample)
    else:
        findings = check_lexicons(lexicons, today=today)
    sys.stdout.write(_document(lexicons, findings) if args.json else _report(lexicons, findings))
    return Exit.FAILED if any(f.kind != NEVER for f in findings) else Exit.DONE


def _document(lexicons: Sequence[Lexicon], findings: Sequence[Finding]) -> str:
    """Write the answer as JSON."""
    document = {
        "languages": {lexicon.language: len(lexicon.terms) for lexicon in lexicons},
        "findings": [
            {"kind": f.kind, "language": f.language, "term": f.term, "message": f.message}
            for f in findings
        ],
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _report(lexicons: Sequence[Lexicon], findings: Sequence[Finding]) -> str:
    """Write the answer for a person."""
    mends = [f for f in findings if f.kind != NEVER]
    lines = [f"{f.language}  {f.kind:<8}  {f.term or '(list)'}: {f.message}\n" for f in mends]
    sizes = ", ".join(f"{x.language} {len(x.terms)}" for x in lexicons)
    text = tr("{count} to mend in the lists ({sizes} phrases)")
    lines.append(text.format(count=len(mends), sizes=sizes) + "\n")
    if unseen := len(findings) - len(mends):
        text = many(
            "{count} phrase matches no headline of the sample: --json lists it",
            "{count} phrases match no headline of the sample: --json lists them",
            unseen,
        )
        lines.append(text.format(count=unseen) + "\n")
    return "".join(lines)
