"""`python -m toolgate`."""

from toolgate.cli.main import main

main()
