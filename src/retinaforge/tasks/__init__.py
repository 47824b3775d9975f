"""Recipes that know eyes: sheets, crops, segmenters, reconstruction, the ceiling."""
