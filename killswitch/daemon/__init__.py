"""The running daemon: wiring, loops, signals, systemd."""
