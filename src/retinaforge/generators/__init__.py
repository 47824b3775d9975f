"""Generators: from words, classes and maps to latents, by a flow from noise."""
