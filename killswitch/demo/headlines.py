"""
The news of the demonstration: invented outlets, invented headlines, an invented event.

Any likeness to a real newsroom or a real day is chance. The words were chosen so that the ordinary
ones hold traps ("killer sudoku") and the breaking ones are plain.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outlet:
    """
    One newsroom.

    Attributes:
        name: What people read.
        slug: Its place on the feed server.
        language: Of its headlines.
        format: ``rss`` or ``atom``.
        ordinary: What it had published before the demonstration began, newest first.
        later: What it publishes in the ordinary stretch.
    """

    name: str
    slug: str
    language: str
    format: str
    ordinary: tuple[str, ...]
    later: str


OUTLETS = (
    Outlet(
        name="La Gazette du Quai",
        slug="gazette",
        language="fr",
        format="rss",
        ordinary=(
            "Le musée des jouets rouvre ses portes après deux ans de travaux",
            "Le tram T3 prolongé de quatre stations",
            "Vendanges : un millésime précoce et généreux",
            "Recette : la tarte aux poires de nos lecteurs",
        ),
        later="Handball : victoire à l'arraché des Bleuets",
    ),
    Outlet(
        name="The Morning Ledger",
        slug="ledger",
        language="en",
        format="atom",
        ordinary=(
            "Council votes to plant four thousand trees along the ring road",
            "Rail operator promises quieter night trains",
            "Library late fees abolished from September",
            "Charity bake sale breaks its own record",
        ),
        later="Killer sudoku champion defends her title",
    ),
    Outlet(
        name="Radio Sud-Estuaire",
        slug="sud-estuaire",
        language="fr",
        format="rss",
        ordinary=(
            "Les producteurs de miel espèrent une bonne récolte",
            "Trois idées de balade pour le week-end",
            "La rentrée des orchestres amateurs",
            "Un inventeur de 12 ans primé au salon",
        ),
        later="Logement : le prix du mètre carré recule",
    ),
    Outlet(
        name="Northern Courier",
        slug="courier",
        language="en",
        format="atom",
        ordinary=(
            "Harlow United sign goalkeeper on three-year deal",
            "Old lighthouse turned into a school of weather",
            "New ferry timetable from Monday",
            "How to choose a second-hand telescope",
        ),
        later="Bike couriers win chess tournament",
    ),
    Outlet(
        name="Le Fil de Midi",
        slug="fil",
        language="fr",
        format="rss",
        ordinary=(
            "Cinéma : la comédie qui fait rire tout le pays",
            "Un feu d'artifice sonore ouvrira la saison du théâtre",
            "Les jardins partagés affichent complet",
        ),
        later="Le budget participatif choisit une piste cyclable",
    ),
)

BREAKING = (
    ("gazette", "Explosion dans un entrepôt à Nantes : plusieurs morts"),
    ("ledger", "Explosion at Nantes warehouse kills at least six, fire service says"),
    ("sud-estuaire", "Nantes : au moins six morts dans l'explosion d'un entrepôt"),
)
"""Who tells it, in this order; the second makes it a pause, the third only adds evidence."""
