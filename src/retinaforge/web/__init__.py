"""Pages served to people: the reader study."""
