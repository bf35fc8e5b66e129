"""How fast the simulated city is generated: `python tests/bench/city.py [crashes]`."""

import resource
import sys
import time
from datetime import date

from streams.local.portal.city import City


def main() -> None:
    crashes = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    began, rows = time.perf_counter(), 0
    for chunk in City(1).history(date(2018, 1, 1), date(2024, 1, 1), crashes):
        rows += sum(len(table) for table in chunk.values())
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{crashes:,} crashes, {rows:,} rows in {seconds:.1f} s: "
        f"{crashes / seconds:,.0f} crashes/s, {rows / seconds:,.0f} rows/s; peak {peak:,.0f} MB"
    )


if __name__ == "__main__":
    main()
