"""
Grade invented headlines: how many a second on one core, and the memory of the detector.

    .venv/bin/python -m bench.grading --headlines 100000
"""

from __future__ import annotations

import argparse
import random
from datetime import UTC, datetime, timedelta
from resource import RUSAGE_SELF, getrusage
from time import process_time

from bench.measure import say

CALM = (
    ("en", "{name} opens a new {thing} in {town}"),
    ("en", "Why {town} loves its {thing} this summer"),
    ("fr", "À {town}, {thing} : {name} raconte ses vacances"),
    ("de", "{town}: {name} eröffnet {thing} am Fluss"),
    ("es", "{name} presenta su nuevo {thing} en {town}"),
    ("it", "A {town} torna la festa del {thing}, dice {name}"),
    ("pt", "{name} apresenta novo {thing} em {town}"),
)
GRAVE = (
    ("en", "At least {n} killed in {town} train crash, police say"),
    ("fr", "Accident de car à {town} : {n} morts"),
    ("de", "Explosion in {town}: mindestens {n} Tote"),
)
NAMES = ("Mara Holloway", "Jules Perrin", "Anna Brandt", "Pilar Rueda", "Marco Leone", "Rita Alves")
THINGS = ("museum", "market", "garden", "library", "bridge", "choir", "tram", "festival")
TOWNS = ("Lyon", "Hamburg", "Bristol", "Sevilla", "Torino", "Braga", "Ghent", "Cork", "Graz")


def headlines(count: int) -> list[tuple[str, str]]:
    """Invent headlines, one in fifty grave; (language, title)."""
    dice = random.Random(1)
    made = []
    for number in range(count):
        lang, form = dice.choice(GRAVE if number % 50 == 0 else CALM)
        title = form.format(
            name=dice.choice(NAMES),
            thing=dice.choice(THINGS),
            town=dice.choice(TOWNS),
            n=dice.randrange(3, 90),
        )
        made.append((lang, f"{title} ({number})"))
    return made


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--headlines", type=int, default=100_000)
    asked = parser.parse_args()
    from killswitch.news.grade import Detector
    from killswitch.news.item import Item
    from killswitch.news.policy import DetectPolicy
    from killswitch.watch.lexicons import load_lexicons, shipped_languages

    at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    items = [
        Item(
            id=str(number),
            title=title,
            summary="",
            outlet=f"outlet{number % 20}",
            group="",
            lang=lang,
            country=None,
            url="",
            published=at,
            first_seen=at + timedelta(seconds=number),
        )
        for number, (lang, title) in enumerate(headlines(asked.headlines))
    ]
    before_mib = getrusage(RUSAGE_SELF).ru_maxrss / 1024
    languages = shipped_languages()
    policy = DetectPolicy(languages=languages)
    began_s = process_time()
    detector = Detector(load_lexicons(languages), policy)
    loaded_s = process_time() - began_s
    loaded_mib = getrusage(RUSAGE_SELF).ru_maxrss / 1024 - before_mib
    began_s = process_time()
    grades = [detector.grade(item).grade.value for item in items]
    took_s = process_time() - began_s
    say(
        headlines=len(items),
        a_second=round(len(items) / took_s),
        microseconds_each=round(1e6 * took_s / len(items), 1),
        grades={grade: grades.count(grade) for grade in sorted(set(grades))},
        load_cpu_s=round(loaded_s, 2),
        detector_mib=round(loaded_mib, 1),
        languages=len(languages),
    )


if __name__ == "__main__":
    main()
