"""Our own server, asked as the rivals' are: DATA CACHE --only URL,API_KEY of one that is filled."""

import http.client
import json
import urllib.parse

import measure
import wire

TARGETS = [0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995]


def main():
    args = measure.arguments()
    data = measure.Data(args)
    url, key = args.only.split(",")
    path = "/v1/namespaces/bench/query"
    headers = {"Authorization": f"Bearer {key}"}
    connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc)

    def ask(body):
        sent = {"Content-Type": "application/json", **headers}
        connection.request("POST", path, json.dumps(body), sent)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text)
        return [int(match["id"]) for match in json.loads(text)["matches"]]

    points = []
    for target in TARGETS:
        bodies = [
            {"vector": row.tolist(), "top_k": measure.K, "recall": target} for row in data.queries
        ]
        found = [ask(body) for body in bodies]
        timing = wire.rate(url + path, headers, bodies)
        points.append(wire.point(data, f"recall={target}", found, timing))
    measure.emit("QuartzDB over HTTP", {}, points)


main()
