"""killswitch: the daemon that stops a team's scheduled posts when the news turns bad."""

__version__ = "0.1.0"
