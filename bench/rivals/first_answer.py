"""The first query to a server: SET URL API_KEY. Prints its seconds and whether it found the nearest."""

import http.client
import json
import pathlib
import sys
import time
import urllib.parse

import numpy

home, url, key = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
query = numpy.load(home / "queries.f16.npy")[0].astype(float).tolist()
nearest = int(numpy.load(home / "gt_all_ids.npy")[0, 0])
body = json.dumps({"vector": query, "top_k": 10})
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
started = time.perf_counter()
connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc)
connection.request("POST", "/v1/namespaces/bench/query", body, headers)
answer = json.loads(connection.getresponse().read())
seconds = time.perf_counter() - started
print(seconds, nearest in [int(match["id"]) for match in answer["matches"]])
