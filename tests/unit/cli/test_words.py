"""The catalogues of the screens and of reasons: complete, true to their places, and compiled."""

from __future__ import annotations

import ast
import re

import pytest

from killswitch.cli.words import many, speak, told, tr, words_of
from killswitch.i18n import told_in
from tests.unit.cli import spoken
from tests.unit.notify.catalogue import compiled, read_po

MEND = "run: make catalogues"
PLACEHOLDER = re.compile(r"\{[a-z_0-9]*\}")
DOMAINS = {"screens": spoken.of_screens, "reasons": spoken.of_reasons}
SCREENS = (
    "ack", "audit", "backtest", "backup", "card", "channels", "config", "dismiss", "doctor",
    "drill", "feeds", "html", "incidents", "lexicon", "notify", "pause", "people", "queue_files",
    "queue_retract", "queue_show", "queue_verbs", "report", "restore", "resume", "triage",
    "whose",
)  # fmt: skip
PRINTERS = {"say", "warn", "emit", "ask", "table"}


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_text_that_people_read_has_its_french_and_nothing_else_has(domain):
    assert set(DOMAINS[domain]()) == set(spoken.catalogue(domain)), MEND


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_translation_fills_the_same_places(domain):
    for english, french in spoken.catalogue(domain).items():
        assert sorted(PLACEHOLDER.findall(english)) == sorted(PLACEHOLDER.findall(french)), english


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_compiled_catalogue_says_what_the_readable_one_says(domain):
    path = spoken.po_path(domain)
    written = read_po(path.read_text(encoding="utf-8"))
    assert path.with_suffix(".mo").read_bytes() == compiled(written), MEND


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_prints_no_text_that_was_not_handed_to_the_translator(name):
    (tree,) = (tree for module, tree in spoken.modules(f"cli/{name}.py"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and spoken.called(node) in PRINTERS:
            for arg in node.args:
                bare = [text for text in spoken.templates(arg) if spoken.WORD.search(text)]
                assert all(text.startswith("killswitch: ") for text in bare), (name, bare)


def test_an_unknown_language_speaks_english():
    assert words_of("tlh")("Held") == "Held"
    assert told_in("tlh", "the store can't be written") == "the store can't be written"


def test_typed_words_and_commands_stay_what_they_are():
    for domain in DOMAINS:
        for english, french in spoken.catalogue(domain).items():
            for command in re.findall(
                r"killswitch [a-z]+(?: --?[a-z-]+)*|--[a-z-]+|\"resume\"|\"dismiss\"", english
            ):
                if not re.match("killswitch (daemon|runs|rooms|store)", command):
                    assert command.strip('"') in french


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("there is no channel 'x'", "il n\u2019y a pas de compte 'x'"),
        ("looked 3 times, not found", "cherché 3 fois, introuvable"),
        ("both ids and a filter are given; nothing was done",
         "des identifiants et un filtre sont donnés ; rien n\u2019a été fait"),
        ("nothing new for 3 h; usually something each 2 h",
         "rien de nouveau depuis 3 h ; d\u2019habitude, du nouveau tous les 2 h"),
        ("there is no channel 'x' (known: web, insta)",
         "il n\u2019y a pas de compte 'x' (connus : web, insta)"),
        ("fini, dit Léa (hier)", "fini, dit Léa (hier)"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_finished_sentence_is_said_in_the_language(english, french):
    assert told_in("fr", english) == french
    assert told_in("en", english) == english


def test_a_command_speaks_the_language_that_it_was_told():
    try:
        speak("fr")
        assert (tr("no posts"), told("not due yet")) == ("aucun post", "pas encore l\u2019heure")
    finally:
        speak("en")
    assert tr("no posts") == "no posts"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["0 pauses", "1 pause", "2 pauses"]),
        ("fr", ["0 pause", "1 pause", "2 pauses"]),
        ("tlh", ["0 pauses", "1 pause", "2 pauses"]),
    ],
)
def test_one_and_several_are_chosen_by_the_rule_of_the_language(language, said):
    try:
        speak(language)
        forms = [many("{count} pause", "{count} pauses", count) for count in range(3)]
    finally:
        speak("en")
    assert [form.format(count=count) for count, form in enumerate(forms)] == said


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (
            "2 of 2 outlets (Le Lac, Herald) within 6 h; near and large (9 of 5)",
            "2 médias sur 2 (Le Lac, Herald) en 6 h ; proche et grand (9 sur 5)",
        ),
        ("1 of 2 outlets (Le Lac), none of them severe",
         "1 média sur 2 (Le Lac), aucun d\u2019eux grave"),
        ("the audit trail is broken: row 5 was changed",
         "le journal d\u2019audit est rompu : la ligne 5 a été modifiée"),
        ("row 6 does not follow the row before it", "la ligne 6 ne suit pas celle d\u2019avant"),
    ],
)  # fmt: skip
def test_why_it_would_have_paused_and_why_a_trail_is_broken_are_said_in_french(english, french):
    assert told_in("fr", english) == french
