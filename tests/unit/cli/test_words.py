"""The catalogue of the screens: complete, true to its placeholders, and compiled."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

from killswitch.cli import words
from killswitch.cli.words import LOCALES, words_of

CLI = Path(words.__file__).parent
SPEAKERS = ("ack", "dismiss", "pause", "resume", "screen_resume", "screen_status", "triage")
PLACEHOLDER = re.compile(r"\{[a-z_]*\}")


def said(name):
    """The texts that a module hands to its translator."""
    for node in ast.walk(ast.parse((CLI / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and re.search(
            r"(words(\(\))?|_say|_words)$|^say$", speaker(node)
        ):
            text = node.args[0] if node.args else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value


def speaker(node):
    called = ast.unparse(node.func)
    # ``say`` prints everywhere but in the status screen, where it is short for the translator.
    return called.replace("say", "", 1) if called == "say" else called


def catalogue():
    found = gettext.translation("screens", LOCALES, languages=["fr"])
    return {key: text for key, text in found._catalog.items() if key}


@pytest.mark.parametrize("name", SPEAKERS)
def test_every_text_of_a_screen_has_its_french(name):
    texts = set(said(name))
    assert texts
    assert texts <= set(catalogue())


def test_a_translation_fills_the_same_places():
    for english, french in catalogue().items():
        assert sorted(PLACEHOLDER.findall(english)) == sorted(PLACEHOLDER.findall(french)), english


def test_the_compiled_catalogue_says_what_the_readable_one_says():
    source = (LOCALES / "fr" / "LC_MESSAGES" / "screens.po").read_text(encoding="utf-8")
    pairs = re.findall(r'^msgid (".+")\nmsgstr (".+")$', source, re.MULTILINE)
    read = {ast.literal_eval(key): ast.literal_eval(text) for key, text in pairs}
    assert read == catalogue()


def test_an_unknown_language_speaks_english():
    assert words_of("tlh")("Held") == "Held"


def test_typed_words_and_commands_stay_what_they_are():
    for english, french in catalogue().items():
        for command in re.findall(r"killswitch [a-z]+|--[a-z-]+|\"resume\"|\"dismiss\"", english):
            assert command.strip('"') in french
