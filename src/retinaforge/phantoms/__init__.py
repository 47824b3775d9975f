"""Phantoms: drawn fundus photographs of which everything is known."""

from retinaforge.phantoms.draw import Phantom, draw_phantom
from retinaforge.phantoms.params import PhantomParams
from retinaforge.phantoms.write import write_phantoms

__all__ = ["Phantom", "PhantomParams", "draw_phantom", "write_phantoms"]
