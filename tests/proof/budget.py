"""How long the proofs may take in the test run: seconds, scaled by ``KILLSWITCH_PROOF_SCALE``."""

from __future__ import annotations

import os

PROOF = "proof"
"""The property under which a test reports what it counted; the end of the run prints them all."""
SCALE = "KILLSWITCH_PROOF_SCALE"


def seconds(in_ci: float) -> float:
    """Return this proof's budget; a developer in a hurry sets the scale below 1, a night above."""
    return in_ci * float(os.environ.get(SCALE, "1"))
