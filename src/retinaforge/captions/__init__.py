"""Captions: from what is known of an eye to words, and from words back to what they claim."""

from retinaforge.captions.record import Box, EyeRecord, Fact, Value

__all__ = ["Box", "EyeRecord", "Fact", "Value"]
