"""wheel.py SOURCE DIRECTORY: packs the stand-in for Poetry as the wheel that `pip install poetry==1.8.0` finds."""

import sys
import zipfile

source, directory = sys.argv[1:]
info = "poetry-1.8.0.dist-info"
with open(source, encoding="utf-8") as file:
    code = file.read()
files = {
    "poetry/__init__.py": code,
    f"{info}/METADATA": "Metadata-Version: 2.1\nName: poetry\nVersion: 1.8.0\nSummary: a stand-in\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: stave\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{info}/entry_points.txt": "[console_scripts]\npoetry = poetry:main\n",
}
record = f"{info}/RECORD"
with zipfile.ZipFile(f"{directory}/poetry-1.8.0-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
    wheel.writestr(record, "".join(f"{name},,\n" for name in [*files, record]))
