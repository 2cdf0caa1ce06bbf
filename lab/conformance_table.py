#!/usr/bin/env python3
"""Puts the verdicts of a run of lab/tests/check.sh into the tables of docs/conformance.md.

    lab/lab run lab/tests/check.sh stock > RUN; lab/conformance_table.py RUN

Each column that the run printed ("# COLUMN: CASE|VERDICT|REASON") replaces the one of that name, or is
added as the last one; so do its counts, and the list below "What COLUMN fails". The other columns, and
all other text, stay.
"""

import pathlib
import re
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
COUNTED = {"pass": "pass", "**fail**": "fail", "n/a": "n/a or not run", "not run": "n/a or not run"}


def read_run(text):
    """{column: {case: (what the table says, reason)}}"""
    columns = {}
    line = re.compile(r"^# ([\w-]+): ([\w.]+)\|(pass|fail|not applicable)\|(.*)$", re.MULTILINE)
    for column, case, verdict, reason in line.findall(text):
        words = {"pass": "pass", "fail": "**fail**", "not applicable": "n/a"}[verdict]
        if reason == "skipped by the command line":
            words = "not run"
        columns.setdefault(column, {})[case] = (words, reason)
    return columns


def cells_of(row):
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def row_of(cells):
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def with_column(table, column, cell_of):
    """The lines of a table with a column set; `cell_of` gets the first cell of each row."""
    head = cells_of(table[0])
    place = head.index(column) if column in head else len(head)
    lines = []
    for number, row in enumerate(table):
        cells = cells_of(row)
        new = column if number == 0 else "---" if number == 1 else cell_of(cells[0])
        cells[place : place + 1] = [new]
        lines.append("|" + "---|" * len(cells) if number == 1 else row_of(cells))
    return lines


def counts_of(verdicts):
    counts = dict.fromkeys(COUNTED.values(), 0)
    for words, _ in verdicts.values():
        counts[COUNTED[words]] += 1
    return counts


def failures_of(verdicts):
    return [f"- `{case}`: {reason}" for case, (words, reason) in verdicts.items() if words == "**fail**"]


def put_into(document, column, verdicts):
    servers, clients = document.split("\n## Clients\n")
    counts = counts_of(verdicts)
    seen = set()

    def cell_of_case(first):
        case = first.split("`")[1]
        seen.add(case)
        return verdicts[case][0]

    def replace_table(found):
        table = found[0].splitlines()
        first = cells_of(table[0])[0]
        if first == "case":
            table = with_column(table, column, cell_of_case)
        elif first == "" and cells_of(table[2])[0] == "pass":
            table = with_column(table, column, lambda name: str(counts[name]))
        return "\n".join(table) + "\n"

    servers = re.sub(r"(?:^\|.*\n)+", replace_table, servers + "\n", flags=re.MULTILINE)
    if missing := set(verdicts) ^ seen:
        sys.exit(f"{DOCUMENT.name} and the run do not have the same cases: {', '.join(sorted(missing))}")
    # The list below its heading: what is there of it is replaced.
    heading = f"### What {column} fails\n"
    if heading in servers:
        before, after = servers.split(heading)
        section, *rest = re.split(r"(?=^### )", after, maxsplit=1, flags=re.MULTILINE)
        prose = re.sub(r"^- `.*\n", "", section, flags=re.MULTILINE).rstrip("\n")
        section = prose + "\n\n" + "\n".join(failures_of(verdicts)) + "\n\n"
        servers = before + heading + section + "".join(rest)
    return servers.rstrip("\n") + "\n\n## Clients\n" + clients


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    columns = read_run(pathlib.Path(sys.argv[1]).read_text())
    if not columns:
        sys.exit(f"{sys.argv[1]} has no verdicts")
    document = DOCUMENT.read_text()
    for column, verdicts in columns.items():
        document = put_into(document, column, verdicts)
        print(column, *(f"{name} {count}" for name, count in counts_of(verdicts).items()), sep=", ")
    DOCUMENT.write_text(document)


if __name__ == "__main__":
    main()
