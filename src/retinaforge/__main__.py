"""`python -m retinaforge` is the command line, so that torchrun can start it."""

from retinaforge.cli import main

main()
