"""Servers are asked over the wire by a client that costs as little as possible: wrk for HTTP.

Server and client share the machine's processors, several connections at a time.
"""

import json
import pathlib
import re
import socket
import subprocess
import tempfile

import measure

CONNECTIONS = 8
SECONDS = 4

SCRIPT = """
wrk.method = "POST"
%s
bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
at = 0
request = function()
  at = at %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[at])
end
done = function(summary)
  if summary.errors.status > 0 then print("failed: " .. summary.errors.status) end
end
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rate(url, headers, bodies, seconds=SECONDS):
    """Requests a second with these bodies in turn."""
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        lines = folder / "bodies"
        lines.write_text("".join(json.dumps(body, separators=(",", ":")) + "\n" for body in bodies))
        headers = {"Content-Type": "application/json", **headers}
        set_headers = "\n".join(f'wrk.headers["{k}"] = "{v}"' for k, v in headers.items())
        script = folder / "script.lua"
        script.write_text(SCRIPT % (set_headers, lines))
        command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--latency"]
        command += ["--duration", f"{seconds}s", "--script", str(script), url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "failed:" in text or "Socket errors" in text:
        raise RuntimeError(text)
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    return float(found[1]), percentile(text, 50), percentile(text, 99)


def percentile(text, share):
    number, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)\n", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def point(data, effort, found, timing):
    speed, p50, p99 = timing
    return {
        "effort": f"{effort}, {CONNECTIONS} connections",
        "recall": measure.recall(found, data.truth[: len(found)]),
        "rate": speed,
        "p50_us": p50,
        "p99_us": p99,
    }
