"""What the news says: headlines graded and explained, stories, clashes."""
