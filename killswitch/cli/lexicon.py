"""
``lexicon check``: look for phrases in the word lists that a person should mend.

Standard library on import; the lists are loaded when the command runs.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from killswitch.cli.detect import opened, rows_of
from killswitch.errors import Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from killswitch.news.lexicon import Finding, Lexicon

HELP = "look at the word lists: overlaps, words that never or always match, overdue reviews"


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
        UsageError: The sample cannot be read.
        ConfigError: A list is broken or not shipped.
    """
    from killswitch.clock import SystemClock  # noqa: PLC0415 - only for this command
    from killswitch.news.lexicon import check_lexicons  # noqa: PLC0415 - heavy
    from killswitch.watch.lexicons import load_lexicons  # noqa: PLC0415 - heavy

    lexicons = load_lexicons(args.language)
    today = SystemClock().now().date()
    if args.sample:
        with opened(args.sample) as lines:
            sample = [str(row.get("title") or "") for row in rows_of(lines, args.sample)]
        findings = check_lexicons(lexicons, today=today, sample=sample)
    else:
        findings = check_lexicons(lexicons, today=today)
    sys.stdout.write(_document(lexicons, findings) if args.json else _report(lexicons, findings))
    return Exit.FAILED if findings else Exit.DONE


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
    lines = [f"{f.language}  {f.kind:<8}  {f.term or '(list)'}: {f.message}\n" for f in findings]
    sizes = ", ".join(f"{x.language} {len(x.terms)}" for x in lexicons)
    lines.append(f"{len(findings)} to mend in the lists ({sizes} phrases)\n")
    return "".join(lines)
