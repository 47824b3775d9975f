"""The working frame, which vessels share with anatomy."""

from retinaforge.anatomy.frame import (
    Frame,
    enter,
    leave,
    resize_pixels,
    square_frame,
    working_frame,
)

__all__ = ["Frame", "enter", "leave", "resize_pixels", "square_frame", "working_frame"]
