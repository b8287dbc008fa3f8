"""Persons behind the ids that the audit trail holds; a name can be erased, the id stays."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.store.audit import MACHINE
from killswitch.store.engine import insert_new
from killswitch.store.ids import new_id
from killswitch.store.schema import people

_ERASED = "erased:"


def person_id(conn: Connection, login: str, *, name: str | None = None) -> str:
    """Return the id of a login name, making one at first sight."""
    known = sa.select(people.c.id).where(people.c.login == login)
    found = conn.execute(known).scalar()
    if found is not None:
        return str(found)
    # Two first acts of one person at the same moment: one of them writes, both get the same id.
    row = {"id": new_id("u"), "login": login, "name": name or login}
    insert_new(conn, people, row)
    return str(conn.execute(known).scalar_one())


def names(conn: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Return what people are called; the machine and the erased have no name."""
    wanted = set(ids)
    found = conn.execute(sa.select(people.c.id, people.c.name).where(people.c.id.in_(wanted)))
    known = {row.id: row.name or "(erased)" for row in found}
    return {one: known.get(one, "killswitch" if one == MACHINE else one) for one in wanted}


def said_as(conn: Connection, name: str) -> list[str]:
    """Return the logins under which others said that they act for this name (``--as``)."""
    others = people.c.login.startswith(f"{name} (said by ", autoescape=True)
    return list(conn.execute(sa.select(people.c.login).where(others)).scalars())


def erase(conn: Connection, login: str) -> str | None:
    """Forget a person's login and name; return the id that stays, or None if unknown."""
    found = conn.execute(sa.select(people.c.id).where(people.c.login == login)).scalar()
    if found is not None:
        conn.execute(
            sa.update(people).where(people.c.id == found).values(login=_ERASED + found, name=None)
        )
    return found
