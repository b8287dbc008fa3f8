from __future__ import annotations

import string

import pytest

from killswitch.i18n import LANGUAGES, plural_translator, translator
from tests.unit.notify.catalogue import compiled, messages_in_code, mo_path, po_path, read_po

MEND = "run: python -m tests.unit.notify.catalogue"


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_of_the_code_is_translated_and_nothing_else_is(language):
    catalogue = read_po(po_path(language).read_text(encoding="utf-8"))
    there = {message for message, said in catalogue.items() if message[0] and all(said)}
    assert there == messages_in_code(), MEND


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_machine_form_is_the_one_of_the_catalogue(language):
    catalogue = read_po(po_path(language).read_text(encoding="utf-8"))
    assert mo_path(language).read_bytes() == compiled(catalogue), MEND


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_places_of_its_message_and_no_other(language):
    for message, said in read_po(po_path(language).read_text(encoding="utf-8")).items():
        wanted = fields(message[0]) if message[0] else set()
        for text in said if message[0] else ():
            assert fields(text) == wanted, message


def test_french_counts_zero_as_one():
    many = plural_translator("fr")
    said = [many("{n} held", "{n} held", n).format(n=n) for n in (0, 1, 2)]
    assert said == ["0 retenu", "1 retenu", "2 retenus"]


def test_a_language_without_a_catalogue_speaks_english():
    assert translator("tlh")("Nothing leaves.") == "Nothing leaves."
    assert translator("fr")("not a message") == "not a message"
