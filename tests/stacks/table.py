"""The table of what was run: aligned for a terminal, or as Markdown. Exit status 1 when a row failed."""

import sys
import textwrap

RESULT = 5


def rows(path):
    with open(path, encoding="utf-8") as table:
        for line in table:
            yield [cell.strip() for cell in line.rstrip("\n").split("\x1f")[:7]]


def code(text):
    """A command in a Markdown table: bars would end the cell."""
    return "`" + text.replace("|", "\\|") + "`" if text else ""


def markdown(path):
    print("| document | environment | command | what happens | Docker Compose |")
    print("|---|---|---|---|---|")
    for document, environment, command, expected, _seen, result, differs in rows(path):
        note = " (not yet)" if result == "later" else ""
        print(f"| {document} | {environment} | {code(command)} | {expected}{note} | {differs} |")


def terminal(path):
    width = {"command": 58, "expected": 44, "seen": 58}
    print(f"{'document':<9}{'environment':<14}{'':<6}{'command':<60}{'expected':<46}seen")
    count = {}
    for document, environment, command, expected, seen, result, _ in rows(path):
        count[result] = count.get(result, 0) + 1
        columns = [textwrap.wrap(text, width[name]) or [""] for name, text in
                   (("command", command), ("expected", expected), ("seen", seen))]
        for i in range(max(map(len, columns))):
            head = (document, environment, result) if i == 0 else ("", "", "")
            c, e, s = (column[i] if i < len(column) else "" for column in columns)
            print(f"{head[0]:<9}{head[1]:<14}{head[2]:<6}{c:<60}{e:<46}{s}".rstrip())
    print(", ".join(f"{n} {name}" for name, n in sorted(count.items(), reverse=True)))
    return 1 if count.get("FAIL") else 0


if sys.argv[1] == "--markdown":
    markdown(sys.argv[2])
else:
    sys.exit(terminal(sys.argv[1]))
