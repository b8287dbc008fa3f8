"""The human loop: pausing, resuming, the queue verbs, status, incidents."""
