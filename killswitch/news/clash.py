"""
The clash finder: which words of a post touch an event.

A post clashes when it names a person or a place of the event, shares its telling words, or uses a
figure of speech that turns bitter beside it ("a razor-sharp offer" beside a stabbing). Text,
alternative text, file names, tags and the link are all looked at.

Invariant: the answer shows the post's own spelling, in order of appearance, each once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import ahocorasick_rs

from killswitch.news.fold import fold
from killswitch.news.lexicon import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from killswitch.news.record import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class PostWords:
    """Everything of a post that a reader could take as a word about the event."""

    text: str
    alt: Sequence[str] = ()
    files: Sequence[str] = ()
    tags: Sequence[str] = ()
    link: str = ""


# Event words (folded, whole words) -> figures of speech that turn bitter beside such an event.
_BLADE = (
    "stab{,s,bed,bing,bings}", "kni{fe,ves,feman,femen}", "machete", "couteau{,x}",
    "poignarde{,e,s,es}", "arme blanche", "messer", "messerangriff", "messerattacke",
    "coltell{o,i,ate}", "accoltellat{o,i,a,e}", "cuchillo", "apunalad{o,a,os,as}", "faca", "facada{,s}",
)  # fmt: skip
_GUN = (
    "sho{t,ts,oting,otings,oter,oters}", "gun{,man,men,fire,shot,shots,ned}", "opens fire",
    "opened fire", "sniper", "fusillade{,s}", "tireur{,s}", "tirs", "coups de feu", "abattu{,e,s}",
    "schusse{,n}", "schiesserei", "amok{lauf}", "sparatoria", "spari", "tiroteo{,s}", "tiroteio{,s}",
    "tirador", "atirador", "mass shooting", "assassinat{ed,ion}", "assassinat{,s}",
)  # fmt: skip
_BOMB = (
    "bomb{,s,er,ers,ing,ings}", "blast{,s}", "explosion{,s,en}", "explode{s,d}", "attentat{,s}",
    "explosif{,s}", "bombe{,s,n}", "esplosion{e,i}", "bomba{,s}", "explosao", "explosoes", "kamikaze",
    "missile{,s}", "airstrike{,s}", "frappe{,s}", "anschlag", "attentato", "atentado{,s}",
    "suicide attack", "terror attack", "terror attacks", "car bomb",
)  # fmt: skip
_CRASH = (
    "crash{,es,ed}", "derail{s,ed,ment}", "collision", "plane", "jet", "train", "bus", "helicopter",
    "avion", "s ecrase", "deraille{,ment}", "accident{,s}", "zugungluck", "absturz", "flugzeugabsturz",
    "incidente", "schianto", "descarrilamiento", "accidente", "acidente", "descarrilamento",
)  # fmt: skip
_FIRE = (
    "fire{,s}", "blaze", "inferno", "wildfire{,s}", "bushfire{,s}", "incendie{,s}", "feu{,x}", "brand",
    "grossbrand", "waldbrand", "incendio", "incendi{,os}", "rogo", "fogo",
)  # fmt: skip
_WATER = (
    "flood{,s,ing,ed}", "drown{,s,ed,ing}", "tsunami{,s}", "sank", "sinks", "sinking", "capsize{s,d}",
    "shipwreck", "boat", "submersible", "inondation{,s}", "naufrage{,s}", "noyade{,s}", "crue{,s}",
    "hochwasser", "uberschwemmung{,en}", "flut", "alluvion{e,i}", "naufragio", "inundacion{,es}",
    "enchente{,s}", "dana", "flash floods",
)  # fmt: skip
_QUAKE = (
    "earthquake{,s}", "quake{,s}", "seisme{,s}", "tremblement de terre", "erdbeben", "terremoto{,s}",
    "collapse{,s,d}", "effondrement{,s}", "s effondre", "einsturz", "crollo", "derrumbe",
)  # fmt: skip
_STORM = (
    "hurricane{,s}", "tornado{,s,es}", "cyclone{,s}", "typhoon{,s}", "storm{,s}", "tempete{,s}",
    "ouragan{,s}", "tornade{,s}", "sturm", "orkan", "uragano", "tempesta", "huracan", "furacao",
)  # fmt: skip
_DEATH = (
    "killed", "dead", "die{s,d}", "dies aged", "death", "deaths", "kill{s,ing}", "mort{,s,e,es}",
    "deces", "tue{,e,s,es,nt}", "tot", "tote{,n}", "gestorben", "stirbt", "mort{o,i,a}", "muert{o,os,a}",
    "muere", "morre{,u}", "mortos",
)  # fmt: skip

_FIGURES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (_BLADE, (
        "razor{,s}", "razor sharp", "sharp{,er,est}", "cutting edge", "slash{,es,ed,ing}", "slice{,s,d}",
        "stab{,s}", "take a stab", "blade{,s}", "kni{fe,ves}", "carve{,s,d}", "backstab{,s,bing}", "cut throat",
        "tranchant{,e,s,es}", "aiguise{,e,s,es}", "lame{,s}", "couteau{,x}", "couper", "coupe court", "affute{,e,s}",
        "rasoir{,s}", "incisif", "incisive", "messerscharf", "messer", "scharf", "affilat{o,a,i}", "tagliente",
        "coltell{o,i}", "afilad{o,a,os,as}", "cuchillo{,s}", "afiad{o,a,os,as}", "faca{,s}",
    )),
    (_GUN, (
        "sho{t,ts,ot,ots,oting}", "take a shot", "give it a shot", "big shot", "bullet{,s,proof}", "trigger{,s,ed}",
        "aim{,s,ing}", "on target", "target{,s,ing}", "gun{,s}", "fire away", "fired up", "killer{,s}", "smoking gun",
        "loaded", "bang", "bang for your buck", "sniper", "tir{,s,er,ez}", "balle{,s}", "cible{,s,r,z}", "gachette",
        "degaine{,z,r}", "fusil{,s}", "feu", "a bout portant", "schuss", "abschuss", "colpo", "sparare", "disparo{,s}",
        "tiro{,s}", "bala{,s}", "alvo",
    )),
    (_BOMB, (
        "bomb{,s,ed,shell,shells,astic}", "blast{,s,ed}", "have a blast", "explosive", "explo{de,des,ding,sion,sions}",
        "dynamite", "fireworks", "boom", "detonat{e,es,or}", "ticking", "short fuse", "da bomb", "mind blowing",
        "blow{,s} up", "blow{,s} your mind", "bombe{,s}", "explosi{f,fs,ve,ves,on,ons}", "exploser", "explosez",
        "feu d artifice", "feux d artifice", "detonnant", "de la bombe", "ca dechire", "knaller", "bombig", "bomba{,s}",
        "esplosiv{o,a,i,e}", "explosiv{o,a,os,as}", "petard{,os}",
    )),
    (_CRASH, (
        "crash{,es,ed,ing}", "crash course", "crash diet", "derail{s,ed}", "train wreck", "collide{,s}", "wreck{,ed}",
        "take{,s} off", "taking off", "ready for take off", "fly{,ing}", "fasten your seatbelt{,s}", "on track", "full speed",
        "nosedive", "in the fast lane", "hit the road", "decoll{e,er,ez,age}", "envol{,ez}", "s envoler", "plein gaz",
        "a toute vitesse", "deraille{,r}", "en route", "atterri{r,ssage}", "vol{,s}", "abheben", "vollgas", "decoll{o,are}",
        "despeg{ar,ue}", "decolar", "a todo vapor",
    )),
    (_FIRE, (
        "fire{,s,d}", "on fire", "fire sale", "hot{,test}", "blaz{e,ing}", "burn{,s,ing}", "burning", "flam{e,es,ing}",
        "heat{,s} up", "spark{,s}", "lit", "ignite{,s}", "smok{e,ing}", "sizzling", "scorching", "feu", "flamb{e,er,ant}",
        "brul{e,er,ant,ante,ants}", "flamme{,s}", "chaud{,e,s}", "enflamm{e,er,ez}", "incendiaire", "heiss", "brandheiss",
        "fuoco", "fuego", "fogo", "quente", "caliente",
    )),
    (_WATER, (
        "flood{,s,ed,ing}", "wave{,s}", "splash", "make a splash", "dive{,s}", "dive in", "deep dive", "drown{,ing}", "sink{,s,ing}",
        "tide", "swim{,ming}", "sail{,ing}", "set sail", "cruise{,s}", "plunge", "take the plunge", "all aboard", "wash{,ed} away",
        "surf{,ing}", "boat{,s}", "vague{,s}", "plonge{,r,z,ons}", "noy{e,er}", "couler", "coule a pic", "deferlante", "raz de maree",
        "croisiere{,s}", "bateau{,x}", "inond{e,er}", "submerge{,s,r}", "baigna{de,des}", "flut", "welle{,n}", "tauch{en}",
        "onda", "tuffo", "ola{,s}", "sumerg{e,ete}", "mergulh{o,e}",
    )),
    (_QUAKE, (
        "shake{,s,n}", "shake up", "shaking", "quake", "seismic", "earth shattering", "groundbreaking", "rock{,s,ed} your world",
        "bring the house down", "collapse{,s}", "crumbl{e,es,ing}", "secou{e,er,ez,ant}", "tremble{,r,z}", "ebranle{,r}", "sismique",
        "seisme", "effondr{e,er}", "tout casser", "erschutter{n,t}", "beben", "scuot{e,ere}", "terremoto", "sacud{e,ir}",
    )),
    (_STORM, (
        "storm{,s,ing}", "by storm", "blow{,n} away", "blown away", "whirlwind", "hurricane", "tornado", "wind of change",
        "perfect storm", "tempete", "ouragan", "vent de fraicheur", "tornade", "en coup de vent", "sturm", "wirbelwind",
        "tempesta", "tormenta", "vendaval",
    )),
    (_DEATH, (
        "kill{s,ed,er,ing}", "to die for", "die{s,ing}", "dead", "death", "drop dead", "rip", "rest in peace", "funeral", "grave{,s}",
        "coffin", "killing it", "dressed to kill", "you only live once", "yolo", "deadly", "deadline{,s}", "survivor{,s}", "massacre{,d}",
        "slay{,s,ing,ed}", "victim{,s}", "mort{,e,s}", "mortel{,le,s,les}", "mourir", "a mourir", "mort de rire", "tue{,r,z}",
        "tuant", "tuerie", "enterr{e,er,ement}", "repose en paix", "cercueil", "todlich", "killer", "umwerfend", "sterben", "morire",
        "mortale", "morir", "mortal", "matar", "morrer",
    )),
)  # fmt: skip
_CODE_LENGTH = 2
_NAME_WORD = 4
_TOLD_BY = 2
_CAMEL = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|[_]")
_WORD = re.compile(r"\w+")


def clashes(post: PostWords, story: Story) -> tuple[str, ...]:
    """
    Return the words of ``post`` that touch the event.

    Args:
        post: The words of the post, all of them.
        story: The event.

    Returns:
        The post's own spellings, each once, in order; empty when nothing touches.
    """
    finder = _finder(needles(story))
    found: dict[str, str] = {}
    for text in (post.text, *post.alt, *post.files, *post.tags, post.link):
        if text:
            for key, seen in finder.find(text):
                found.setdefault(key, seen)
    return tuple(found.values())


def needles(story: Story) -> tuple[str, ...]:
    """
    Return the folded phrases that touch the event: names, places, telling words, figures of speech.

    A word counts as telling when two headlines use it, or when it is all there is.
    """
    chosen: dict[str, None] = {}
    for name in story.names:
        words = fold(name).split()
        chosen[" ".join(words)] = None
        chosen.update(dict.fromkeys(w for w in words[-1:] if len(w) >= _NAME_WORD))
    chosen.update(dict.fromkeys(p for p in story.places if len(p) > _CODE_LENGTH))
    few = len(story.members) < _TOLD_BY
    for word, uses in story.words.items():
        if (few or uses >= _TOLD_BY) and len(word) >= _NAME_WORD:
            chosen[word] = None
    told = frozenset((*story.terms, *(w for term in story.terms for w in term.split())))
    for phrase in _figures(told):
        chosen[phrase] = None
    return tuple(chosen)


@lru_cache(maxsize=256)
def _figures(told: frozenset[str]) -> tuple[str, ...]:
    """Return the figures of speech that turn bitter beside these event words."""
    chosen: list[str] = []
    for events, figures in _expanded():
        if told & events:
            chosen += figures
    return tuple(dict.fromkeys((*chosen, *(told & _plain_event_words()))))


@lru_cache(maxsize=1)
def _expanded() -> tuple[tuple[frozenset[str], tuple[str, ...]], ...]:
    """Write out the inflections of both sides once."""
    return tuple(
        (_written(events), tuple(sorted(_written(figures)))) for events, figures in _FIGURES
    )


@lru_cache(maxsize=1)
def _plain_event_words() -> frozenset[str]:
    """Return all event words: they clash by themselves."""
    return frozenset().union(*(events for events, _ in _expanded()))


def _written(patterns: Iterable[str]) -> frozenset[str]:
    """Write out the inflections of some patterns, folded."""
    return frozenset(fold(text).strip() for pattern in patterns for text in expand(pattern))


class _Finder:
    """The needles of one event, ready to be found in many posts."""

    def __init__(self, phrases: tuple[str, ...]) -> None:
        """Build the automaton."""
        self._phrases = phrases
        self._automaton = ahocorasick_rs.AhoCorasick([f" {phrase} " for phrase in phrases])

    def find(self, text: str) -> list[tuple[str, str]]:
        """Return (folded phrase, the text's own spelling) for all that touch, in order."""
        spaced = _CAMEL.sub(" ", text)
        folded = fold(spaced)
        hits = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        if not hits:
            return []
        spans = _spans(spaced)
        found = []
        for index, start, end in sorted(hits, key=lambda hit: (hit[1], -hit[2])):
            phrase = self._phrases[index]
            first = folded.count(" ", 0, start)
            last = first + folded.count(" ", start, end) - 2
            own = phrase
            if last < len(spans):
                own = spaced[spans[first][0] : spans[last][1]]
            found.append((phrase, own))
        return _longest(found)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return where each folded word stands in ``text``."""
    spans = []
    for match in _WORD.finditer(text):
        spans += [match.span()] * len(fold(match.group()).split())
    return spans


def _longest(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop a phrase that is part of a longer one found in the same text."""
    phrases = [f" {phrase} " for phrase, _ in found]
    return [
        pair
        for pair, framed in zip(found, phrases, strict=True)
        if not any(framed in other and framed != other for other in phrases)
    ]


@lru_cache(maxsize=64)
def _finder(phrases: tuple[str, ...]) -> _Finder:
    """Keep the automata of the events at hand: thousands of posts are held against each."""
    return _Finder(phrases)
