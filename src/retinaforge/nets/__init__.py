"""Trainable blocks: plain modules that open no file and know no eye."""
