"""`python -m gridbench` is the command `gridbench`."""

from gridbench.cli import main

main()
