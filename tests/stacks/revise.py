"""revise.py DIRECTORY NAME=VALUE: the image of an unpacked archive with one more environment variable, which makes it another image."""

import hashlib
import json
import os
import sys

top, variable = sys.argv[1:]
with open(f"{top}/manifest.json", encoding="utf-8") as file:
    manifest = json.load(file)
with open(f"{top}/{manifest[0]['Config']}", encoding="utf-8") as file:
    config = json.load(file)
config["config"].setdefault("Env", []).append(variable)
text = json.dumps(config).encode()
manifest[0]["Config"] = hashlib.sha256(text).hexdigest() + ".json"
with open(f"{top}/{manifest[0]['Config']}", "wb") as file:
    file.write(text)
with open(f"{top}/manifest.json", "w", encoding="utf-8") as file:
    json.dump(manifest, file)
for name in ("index.json", "oci-layout", "repositories"):
    if os.path.exists(f"{top}/{name}"):
        os.unlink(f"{top}/{name}")
