"""order.py EVENTS CONSTRAINT...: the order of start from `stave inspect` on standard input, as times; fails when a constraint does not hold.

`api>db:healthy` says that api started after db's first good health check; `api>migrate:done` after migrate had ended with 0; `api>db:started`
after db had started. EVENTS is what `stave events --json` printed meanwhile: the first good check of a service may be long ago, and a container
remembers its last five."""

import datetime
import json
import re
import sys


def when(text):
    """Seconds; None for what never was."""
    if text.startswith("0001"):
        return None
    match = re.match(r"(.*?)(\.\d+)?Z?$", text)
    whole = datetime.datetime.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return whole.timestamp() + float(match.group(2) or 0)


def noted(path):
    """When each service became healthy for the first time since we watch; 0: it was before."""
    first = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["action"] == "was healthy":
                first.setdefault(event["service"], 0.0)
            elif event["action"] == "health_status: healthy":
                first.setdefault(event["service"], when(event["time"]))
    return first


events = noted(sys.argv[1])
services = {}
for container in json.load(sys.stdin):
    name = container["Config"]["Labels"]["com.docker.compose.service"]
    state = container["State"]
    good = [when(check["End"]) for check in (state.get("Health") or {}).get("Log", []) if check["ExitCode"] == 0]
    services[name] = {
        "started": when(state["StartedAt"]),
        "healthy": events.get(name, good[0] if good and len(good) < 5 else None),
        "done": when(state["FinishedAt"]) if state["ExitCode"] == 0 and state["Status"] == "exited" else None,
    }

first = min(service["started"] for service in services.values() if service["started"])
line = []
for name, service in sorted(services.items(), key=lambda item: item[1]["started"] or 0):
    at = [f"{event} {max(service[event] - first, 0):.1f}" for event in ("started", "healthy", "done") if service[event] is not None]
    line.append(f"{name} {', '.join(at) or 'never started'}")
print("; ".join(line))

wrong = []
for constraint in sys.argv[2:]:
    later, earlier, event = re.match(r"(.*)>(.*):(.*)", constraint).groups()
    start, gate = services[later]["started"], services[earlier][event]
    if start is None or gate is None or start < gate:
        wrong.append(constraint)
if wrong:
    print("not so: " + ", ".join(wrong))
    sys.exit(1)
