"""Whether the tests would notice: small changes to the code that decides, one at a time."""
