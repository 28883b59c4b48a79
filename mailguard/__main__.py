"""Start the command line: ``mailguard`` and ``python -m mailguard``."""

import sys

from mailguard.cli.app import run


def main() -> None:
    """Run the command in ``sys.argv`` and exit with its status."""
    sys.exit(run())


if __name__ == "__main__":
    main()
