"""Claims about two replays side by side, and about pauses that nobody else took up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from killswitch.news.backtest import BacktestResult, replay
from killswitch.news.compare import compare
from killswitch.news.grade import Detector
from killswitch.news.levels import NEVER, LevelPolicy
from killswitch.news.policy import DetectPolicy
from killswitch.watch.lexicons import load_lexicons

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LISTS = load_lexicons(("en",))
SHOOTING = "Gunman opens fire at Velden mall, six dead", "Six killed in shooting at Velden mall"
FERRY = "Ferry sinks off Scotland, 18 dead", "Scotland ferry sinking kills 18"


def rows(*told: tuple[int, str, str]) -> list[dict[str, str]]:
    """Write rows of (minute, outlet, headline)."""
    return [
        {
            "id": f"i{number}", "title": title, "outlet": outlet, "lang": "en",
            "published": (START + timedelta(minutes=minute)).isoformat(),
        }
        for number, (minute, outlet, title) in enumerate(told)
    ]  # fmt: skip


STREAM = rows(
    (0, "A", SHOOTING[0]), (5, "B", SHOOTING[1]), (9, "C", SHOOTING[1]),
    (60, "A", FERRY[0]), (90, "B", FERRY[1]),
)  # fmt: skip


def replayed(**policy: object) -> BacktestResult:
    """Replay the stream under a policy."""
    given = DetectPolicy(**policy)  # type: ignore[arg-type] # a builder takes any field
    return replay(STREAM, Detector(LISTS, given), given)


def test_what_no_further_newsroom_takes_up_is_doubtful() -> None:
    shooting, ferry = replayed().trips
    assert (shooting.heard, shooting.doubtful) == (3, False)
    assert (ferry.heard, ferry.doubtful) == (2, True)


def test_the_same_event_stands_in_one_row_whatever_its_number() -> None:
    a, b = replayed(), replayed(outlets=3)
    shooting, ferry = compare(a, b)
    assert shooting.a is not None
    assert shooting.b is not None
    assert shooting.a.trip is not None
    assert shooting.b.trip is not None
    assert shooting.b.trip.at - shooting.a.trip.at == timedelta(minutes=4)
    assert (ferry.a is None, ferry.b is None) == (False, True)
    assert "Ferry" in ferry.title


def test_what_one_only_tells_and_the_other_pauses_for_is_one_row() -> None:
    quiet = LevelPolicy(near={"other": NEVER}, far={"other": NEVER}, world=3)
    shooting, ferry = compare(replayed(levels=quiet), replayed())
    assert shooting.a is not None
    assert shooting.a.told is not None
    assert shooting.a.trip is not None
    assert ferry.a is not None
    assert (ferry.a.trip, ferry.b is None) == (None, False)


def test_two_equal_replays_differ_in_nothing() -> None:
    for pair in compare(replayed(), replayed()):
        assert pair.a is not None
        assert pair.b is not None
        assert pair.a.first.at == pair.b.first.at
