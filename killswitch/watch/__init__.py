"""Reading the news: polling, parsing in a child, grading, health of feeds."""
