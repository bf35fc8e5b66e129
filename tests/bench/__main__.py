"""`make bench`: every measurement, one after the other."""

import subprocess
import sys

for name in ("stages", "gold", "broker", "city", "models", "scored"):
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=True)
