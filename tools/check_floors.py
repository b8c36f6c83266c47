#!/usr/bin/env python3
"""The floors of the house: a file under src/ includes only from its own folder and from floors below. Prints what breaks it."""

import re
import sys
from pathlib import Path

FLOORS = ["base", "structs", "values", "keyspace", "engine", "commands", "protocol", "net", "api", "server"]
SOURCE = Path(__file__).resolve().parent.parent / "src"


def main():
    wrong = []
    for path in sorted(SOURCE.rglob("*.[ch]")):
        floor = path.relative_to(SOURCE).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'#include "(\w+)/', line)
            if match and FLOORS.index(match[1]) > FLOORS.index(floor):
                wrong.append(f"{path.relative_to(SOURCE.parent)}:{number}: {floor} is below {match[1]}")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
