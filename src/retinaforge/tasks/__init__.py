"""Recipes that know eyes: sheets and crops for training, segmenters, reconstruction, the ceiling."""
