"""
People are told: the texts, the addresses, the teller with its processes, and the relays.

A pause never waits for this room: it writes a notice into the store, and the teller sends it.
"""
