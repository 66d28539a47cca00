"""Run inside the sandbox as a file, with the order (JSON) as its line of input; see ``describe``.

It imports everything before it reads that line, so that runs can be started from what was imported beforehand.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

# Started as a file, it finds our packages only from here; in the sandbox this one is all there is of them.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
describe = import_module("workers.sbom_program.describe").describe

if __name__ == "__main__":
    describe(json.loads(sys.stdin.readline()))
