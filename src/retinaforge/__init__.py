"""RetinaForge trains generative models of fundus photographs and proves whether to trust them."""

__version__ = "0.1.0"
