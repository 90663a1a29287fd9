"""Draw the pictures of README and documentation: ``python docs/make_pictures.py``."""

from pathlib import Path

import lowrank_la as lr


def main():
    """Write ``docs/_static/photograph.png``."""
    A = lr.datasets.photograph()
    lr.plot.write_overview(A, lr.svd(A, 40, rng=0), Path(__file__).parent / "_static" / "photograph.png")


if __name__ == "__main__":
    main()
