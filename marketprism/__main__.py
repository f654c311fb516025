"""``python -m marketprism``: the same as ``marketprism``."""

from marketprism.cli import main

if __name__ == "__main__":
    main()
