"""Kill small training runs at random moments, hundreds of times, and check every end.

    python tools/soak_resume.py --kills 200 --ranks 1
    python tools/soak_resume.py --kills 200 --ranks 2 1

Every start goes on from the newest snapshot. After each kill that snapshot must be
whole and no process may be left; a run that comes to its end must have the weights of
one that nobody disturbed. Exits with 1 at the first violation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.sync.soaking import soak  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="netspec-soak-") as folder:
        try:
            tally = soak(
                Path(folder), args.kills, tuple(args.ranks), args.seed, tell=_tell
            )
        except AssertionError as error:
            print(f"\nfailed: {error}")
            return 1
    print(
        f"\n{tally.kills} kills, {tally.snapshots} of them with a snapshot to go on "
        f"from; {tally.ends} runs came to their end, all with the right weights"
    )
    return 0


def _tell(text: str) -> None:
    print(f"\r{text}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
