"""Copies, impossible eyes, uneven groups: what can be wrong with images that look right."""
