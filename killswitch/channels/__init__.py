"""Networks: one module a network, and what their answers prove."""
