"""Which logins are one person: the two-person rule asks."""

from __future__ import annotations

from types import SimpleNamespace

from killswitch.daemon.policies import persons_of
from killswitch.settings.tree import PersonSettings


def persons(*people: dict[str, object]) -> dict[str, frozenset[str]]:
    made = [PersonSettings.model_validate({"roles": ["author"]} | one) for one in people]
    return persons_of(SimpleNamespace(people=made))  # type: ignore[arg-type] - only its people count


def test_a_table_of_users_is_one_person_by_name_and_by_each_login():
    found = persons({"name": "Léa", "users": ["lea", "lea-admin"]}, {"name": "K", "users": ["k"]})
    assert {*found} == {"Léa", "lea", "lea-admin", "K", "k"}
    assert found["lea"] == found["lea-admin"] == found["Léa"] == {"Léa"}
    assert found["k"].isdisjoint(found["lea"])


def test_a_table_with_a_group_is_a_team_and_no_person():
    assert persons({"name": "Social team", "groups": ["social"], "users": ["lea", "k"]}) == {}


def test_a_login_in_two_tables_is_whoever_they_are():
    found = persons({"name": "A", "users": ["x"]}, {"name": "B", "users": ["x", "y"]})
    assert found["x"] == {"A", "B"}
