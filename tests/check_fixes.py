"""Whether fixes keep their promise on real projects: python tests/check_fixes.py FOLDER...

Every folder inside FOLDER is a project.  It is fixed in memory, unsafe fixes included; then no
new error may be reported, what was fixed must be silent, and a second run must change nothing.
Prints what went wrong, how many files changed, and how long fixing took against linting.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from polint import config, fixer, lint
from polint.diagnostic import Diagnostic


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--show", action="store_true", help="print every fix")
    options = parser.parse_args()
    wrong = 0
    fixed: Counter[str] = Counter()
    left: Counter[str] = Counter()
    files = 0
    spent = [0.0, 0.0]
    for project in sorted(entry.path for folder in options.folders for entry in os.scandir(folder) if entry.is_dir()):
        settings = config.load(project)

        def report(overlay: Mapping[str, bytes], project: str = project, settings: config.Config = settings) -> Sequence[Diagnostic]:
            return lint.run(project, settings, overlay=overlay).active

        began = time.process_time()
        before = report({})
        linted = time.process_time()
        outcome = fixer.run(report, unsafe=True)
        spent[0] += linted - began
        spent[1] += time.process_time() - linted
        contents = {path: change.after for path, change in outcome.changes.items()}
        files += len(contents)
        fixed.update(f"{one.code} {one.name}" for one in outcome.fixed)
        left.update(f"{one.diagnostic.code} {one.diagnostic.name}: {one.reason}" for one in outcome.left)
        after = report(contents)
        again = fixer.run(lambda overlay, contents=contents, report=report: report({**contents, **overlay}), unsafe=True)
        errors = Counter((one.code, one.subject) for one in after if one.severity == "error")
        errors -= Counter((one.code, one.subject) for one in before if one.severity == "error")
        problems = [f"a new error: {code} {subject}" for code, subject in errors]
        problems += [f"still fixable: {one.span}: {one.code} {one.message}" for one in after if one.fix is not None and not outcome.left]
        problems += [f"a second run changes {path}" for path in again.changes]
        for problem in problems:
            print(f"{os.path.basename(project)}: {problem}")
        wrong += len(problems)
        if options.show:
            for one in outcome.fixed:
                print(f"{os.path.basename(project)}/{one.span}: {one.code} {one.fix.title if one.fix else ''}")
    print(f"{files} files changed, {sum(fixed.values())} fixes; fixing took {spent[1] / max(spent[0], 1e-9):.1f} x linting")
    for name, count in sorted(fixed.items()):
        print(f"  {count:>4}  {name}")
    for name, count in sorted(left.items()):
        print(f"  {count:>4}  left: {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
