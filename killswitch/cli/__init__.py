"""The command line; this file, ``main`` and the panic commands stay standard library only."""
