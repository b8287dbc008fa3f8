"""The API over the Unix socket, and its client; this file and ``client`` stay standard library."""
