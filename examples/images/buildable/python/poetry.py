"""In place of Poetry, where no package index can be reached: `install` checks that the system's Python has every package that
pyproject.toml asks for, and fails naming those that it does not have."""

import subprocess
import sys
import tomllib

CHECK = """
import importlib.metadata, sys
missing = []
for name in sys.argv[1:]:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        missing.append(name)
sys.exit("poetry: not there, and no index to get it from: " + ", ".join(missing) if missing else 0)
"""


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if words[:1] == ["config"]:
        return 0
    if words != ["install"]:
        print(f"poetry: this stand-in knows config and install, not '{' '.join(words)}'", file=sys.stderr)
        return 1
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)["tool"]["poetry"]
    with open("poetry.lock", encoding="utf-8"):
        pass
    wanted = dict(project.get("dependencies", {}))
    if "--only=main" not in sys.argv:
        for group in project.get("group", {}).values():
            wanted.update(group.get("dependencies", {}))
    wanted.pop("python", None)
    status = subprocess.call(["/usr/bin/python3", "-c", CHECK, *wanted])
    if status == 0:
        print("No dependencies to install or update: " + ", ".join(sorted(wanted)))
    return status
