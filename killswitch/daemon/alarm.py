"""
The alarm clock: wakes loops at wanted moments; it decides and loses nothing.

APScheduler 3 only wakes us. Its jobs set an event and return, so that none can overrun or raise,
and every loop also wakes by itself within 5 s: a stepped wall clock is not seen by APScheduler,
and one exception in its wake-up would stop it for good.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger


class Alarm:
    """Wake-ups by name, in memory only; the newest time of a name replaces the older one."""

    def __init__(self) -> None:
        """Prepare the scheduler; ``start`` runs it."""
        # A wake-up that it skips because the same one is just running is no loss: the event is set.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin to wake."""
        self._scheduler.start()

    def stop(self) -> None:
        """Wake nobody any more."""
        # First: a shutdown while a job is taken off its list raises in the scheduler's thread.
        self._scheduler.remove_all_jobs()
        self._scheduler.shutdown(wait=False)

    def wake_at(self, name: str, at: datetime, event: threading.Event) -> None:
        """Set ``event`` at ``at`` (aware UTC), or at once where that has passed."""
        self._scheduler.add_job(
            event.set, DateTrigger(run_date=at, timezone=UTC), id=name, replace_existing=True
        )
