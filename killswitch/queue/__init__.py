"""Pure rules of posts and deliveries: states, lateness, gaps, slots, times, files."""
