"""How often each rule reports over a folder of projects: python tests/count_rules.py FOLDER... [--reports RULE]

Every folder inside FOLDER is linted as a project of its own.  The table tells, for each rule,
its reports and the share of projects that have one; --reports prints a rule's reports to be
read against the files (``all`` for every rule).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from polint import config, lint, rule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--reports", metavar="RULE", action="append", default=[], help="print this rule's reports (code, name or all)")
    options = parser.parse_args()
    projects = sorted(entry.path for folder in options.folders for entry in os.scandir(folder) if entry.is_dir())
    counts: Counter[str] = Counter()
    holders: dict[str, set[str]] = defaultdict(set)
    for project in projects:
        for diagnostic in lint.run(project, config.load(project)).diagnostics:
            counts[diagnostic.code] += 1
            holders[diagnostic.code].add(project)
            if {diagnostic.code, diagnostic.name, "all"} & set(options.reports):
                print(f"{os.path.basename(project)}/{diagnostic.span}: {diagnostic.code} {diagnostic.severity}: {diagnostic.message}")
    if options.reports:
        print()
    print(f"{'rule':<44} {'severity':<8} {'reports':>7} {'projects':>8} {'share':>6}")
    for one in rule.load_builtin().rules:
        share = 100 * len(holders[one.code]) / max(len(projects), 1)
        name = f"{one.code} {one.name}"
        print(f"{name:<44} {one.severity:<8} {counts[one.code]:>7} {len(holders[one.code]):>8} {share:>5.0f}%")
    print(f"{len(projects)} projects, {sum(counts.values())} reports")


if __name__ == "__main__":
    main()
