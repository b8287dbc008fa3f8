"""What the documents say is what the program does: states, commands, links, exit codes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from killswitch.cli.main import COMMANDS, _with_list, build_parser, load
from killswitch.errors import Exit
from killswitch.latch import CauseKind, InhibitKind
from killswitch.queue.states import TRANSITIONS, HoldKind

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

ARROW = re.compile(r"^\s+(\S+) --> (\S+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
COMMAND = re.compile(r"^(?: {4}|\t)(?:\$ )?(?:\.venv/bin/)?killswitch (.+)$", re.MULTILINE)
WORDS = re.compile(r"`killswitch ([^`]+)`")
# A word of the text stands for what a human puts there.
FILLED = {"VERSION": "12", "URL": "https://example.org/x"}
# Sentences about an option of every command, not commands.
SHORT_FOR_ALL = frozenset({"--config", "--socket", "--state-dir"})


def arrows():
    picture = ARCHITECTURE[ARCHITECTURE.index("stateDiagram-v2") :].split("```", 1)[0]
    return set(ARROW.findall(picture))


def test_picture_of_the_states_is_the_table_that_the_code_enforces():
    moves = {(old.value, new.value) for old, news in TRANSITIONS.items() for new in news}
    ends = {(old.value, "[*]") for old, news in TRANSITIONS.items() if not news}
    assert arrows() == moves | ends


def commands_of(path):
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = COMMAND.findall(text)
    found += [one.replace("\n", " ") for one in WORDS.findall(text)]
    return [" ".join(re.sub(r"\s#\s.*$|[\[\]]", "", one).split()) for one in found]


ALL = list(dict.fromkeys((path.name, words) for path in DOCS for words in commands_of(path)))


@pytest.mark.parametrize(("document", "line"), ALL, ids=[f"{name}: {line}" for name, line in ALL])
def test_every_command_in_the_documents_is_one_that_the_program_reads(document, line):
    words = [FILLED.get(word, word) for word in shlex.split(line)]
    if words[0] in SHORT_FOR_ALL:
        words = words[2:]
    assert words[0] in COMMANDS, f"{document}: {line}"
    if words[0] in {"queue", "feeds", "channels", "incidents", "audit"}:
        words = _with_list(words, 0)
    parsed = build_parser({words[0]: load(words[0])}).parse_args(words)
    assert parsed.command == words[0]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(path):
    missing = [
        target
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert not missing


def test_readme_lists_the_exit_codes_that_there_are():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert listed == {int(code) for code in Exit}


def test_readme_begins_with_the_two_commands():
    first = README.index("    make demo\n    make test\n")
    assert first < README.index("## What happens")


def test_architecture_names_every_hold_and_operations_every_cause_that_needs_a_hand():
    assert all(f"`{kind}`" in ARCHITECTURE for kind in HoldKind)
    by_hand = {"blind", "clock", "store", "tamper", "unclean_start"}
    assert by_hand <= {kind.value for kind in CauseKind}
    assert all(f"`{kind}`" in OPERATIONS for kind in by_hand)
    assert InhibitKind.STARTING in ARCHITECTURE
