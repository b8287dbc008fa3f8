"""The proof: real daemons killed, raced and starved, and an oracle that reads what came of it."""
