"""Whatever stands in the file or the environment, loading answers or refuses; it never falls."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from killswitch.settings import BrokenConfigError, Settings, describe, load

EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
FULL = re.sub(r"(?m)^#(?=[a-z_\[])", "", EXAMPLE).replace("credential:phone-", "ntfy://a/")
SHORT = "\n".join(
    line for line in FULL.replace("credential:", "").splitlines() if line[:1] not in "# "
)
ENV = {"HOME": "/home/lea", "TZ": "UTC"}
TABLES = sorted(Settings.model_fields)
WORDS = ["", "live", "15m", "https://a.example.org/", "http://[", "credential:x", "file", "(", "\0"]
KEYS = ["name", "url", "kind", "secret", "path", "fresh", "urls", "ignore", "command", "roles", ""]
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 10**30),
        st.floats(),
        st.sampled_from(WORDS),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


def _loads_or_refuses(path: Path | None, env: dict[str, str]) -> None:
    with suppress(BrokenConfigError):
        assert describe(load(path, env=env))


def test_the_file_without_a_slip_loads(tmp_path: Path) -> None:
    file = tmp_path / "killswitch.toml"
    file.write_text(SHORT, encoding="utf-8")
    assert load(file, env=ENV).relays


@given(
    at=st.integers(0, len(SHORT)),
    gone=st.integers(0, 40),
    new=st.one_of(
        st.text(max_size=10), st.sampled_from(["[", "]", '"', "=", "{", "\n[x]\n", "0", "true"])
    ),
)
def test_a_file_with_any_slip_loads_or_is_refused(
    tmp_path: Path, at: int, gone: int, new: str
) -> None:
    file = tmp_path / "killswitch.toml"
    text = SHORT[:at] + new + SHORT[at + gone :]
    file.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    _loads_or_refuses(file, ENV)


@given(table=st.sampled_from(TABLES), value=JUNK)
def test_any_value_of_any_table_loads_or_is_refused(table: str, value: object) -> None:
    _loads_or_refuses(None, ENV | {f"KILLSWITCH_{table.upper()}": json.dumps(value)})


@given(
    table=st.sampled_from(["feeds", "channels", "relays", "people"]),
    rows=st.lists(st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=6), max_size=3),
)
def test_any_rows_of_any_list_load_or_are_refused(table: str, rows: list[object]) -> None:
    _loads_or_refuses(None, ENV | {f"KILLSWITCH_{table.upper()}": json.dumps(rows)})
