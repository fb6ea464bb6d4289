"""Single sign-on, against a certified provider: oidc-provider, with its own pages.

    play.py NODE PROVIDER native QUARTZ
    play.py NODE PROVIDER edge SERVE WORKER

Starts both on free ports, plays people who sign in and what is tried against them, by HTTP alone, and stops
both.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

CLIENT, SECRET = "quartz", "a secret between the two of them"
CALLBACK = "/v1/auth/sso/callback"
EDGE_KEY = "qz_root_of_a_play"
PATIENCE_SECONDS = 60
STEPS_MAX = 20


class Form(HTMLParser):
    """The first form of a page, and the way to cancel it."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.cancel = None, {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = attributes["action"]
        elif tag == "input" and "name" in attributes:
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "a" and attributes.get("href", "").endswith("/abort"):
            self.cancel = attributes["href"]


class Answer:
    def __init__(self, url, answer):
        self.url, self.status, self.headers = url, answer.status, answer.headers
        self.text = answer.read().decode()

    def expect(self, status, code=None):
        assert self.status == status, (self.url, self.status, self.text)
        if code is not None:
            assert json.loads(self.text)["code"] == code, (self.url, self.text)
        return self

    def json(self):
        return json.loads(self.text)


class Browser:
    """Keeps cookies, each for the server that has set it."""

    def __init__(self):
        self.cookies = {}

    def send(self, url, form=None, method=None, headers=None, body=None):
        parts = urlsplit(url)
        jar = self.cookies.setdefault(parts.port, {})
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())} | (headers or {})
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            method, body = "POST", urlencode(form)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_SECONDS)
        connection.request(method or "GET", target, body, headers)
        answer = Answer(url, connection.getresponse())
        connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            if value:
                jar[name] = value
            else:
                jar.pop(name, None)
        return answer

    def walk(self, url, name, until=None, change=None, cancel=False):
        """Goes where it is sent, signing in as `name`, until a page that is no form.

        Stops before an address that `until` likes, and gives that. `change` may change addresses."""
        form = None
        for _ in range(STEPS_MAX):
            if change is not None:
                url = change(url)
            if until is not None and until(url):
                return url
            answer = self.send(url, form)
            form = None
            if answer.status in (302, 303):
                url = urljoin(url, answer.headers["Location"])
                continue
            page = Form(answer.text) if "text/html" in answer.headers["Content-Type"] else None
            if page is None or page.action is None:
                return answer
            if cancel:
                url = urljoin(url, page.cancel)
                continue
            url, form = urljoin(url, page.action), page.fields
            if "login" in form:
                form |= {"login": name, "password": "any"}
        raise AssertionError(f"no end of it: {url}")


class Play:
    def __init__(self, server, key, provider):
        self.server, self.url, self.key, self.provider = server, server.url, key, provider

    def tell(self, **change):
        self.provider.stdin.write(json.dumps(change) + "\n")
        self.provider.stdin.flush()
        assert self.provider.stdout.readline() == "done\n"

    def people(self, **groups):
        claims = lambda name, groups: {
            "email": f"{name}@Example.com",
            "email_verified": True,
            "groups": groups,
        }
        self.tell(people={name: claims(name, list(of)) for name, of in groups.items()})

    def begin(self, return_to="/livez"):
        return f"{self.url}/v1/auth/sso?{urlencode({'return_to': return_to})}"

    def sign_in(self, browser, name, **how):
        return browser.walk(self.begin(), name, **how)

    def callback(self, browser, name, **how):
        """Signs in at the provider; the address that it sends the browser back to."""
        return self.sign_in(browser, name, until=lambda url: CALLBACK in url, **how)

    def has_role(self, browser, role):
        answer = browser.send(f"{self.url}/v1/whoami").expect(200)
        assert answer.json()["role"] == role, answer.text

    def is_out(self, browser):
        browser.send(f"{self.url}/v1/whoami").expect(401, "session_invalid")

    def as_operator(self, path):
        headers = {"Authorization": f"Bearer {self.key}"}
        return Browser().send(self.url + path, headers=headers).expect(200).json()

    def members(self):
        members = self.as_operator("/v1/members")["members"]
        return {one["email"]: one["role"] for one in members}


def eventually(check):
    """At the edge what was found out of a session is good for some seconds more."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def with_parameter(url, name, value):
    parts = urlsplit(url)
    query = [(k, value if k == name else v) for k, v in parse_qsl(parts.query)]
    return parts._replace(query=urlencode(query)).geturl()


def groups_are_roles(play):
    ann = Browser()
    methods = ann.send(f"{play.url}/v1/auth/methods").expect(200).json()
    assert methods["sso"] == [{"issuer": play.issuer, "path": "/v1/auth/sso"}], methods
    play.people(ann=["everybody", "db-admins"])
    ended = play.sign_in(ann, "ann").expect(200)
    assert ended.url == f"{play.url}/livez", ended.url
    play.has_role(ann, "admin")
    assert play.members() == {"ann@example.com": "admin"}
    # It is a session like any other.
    session = ann.send(f"{play.url}/v1/auth/session").expect(200).json()
    assert session["email"] == "ann@example.com", session
    headers = {"Content-Type": "application/json"}
    notes = f"{play.url}/v1/namespaces/notes"
    ann.send(notes, method="PUT", headers=headers, body="{}").expect(403, "csrf_token_invalid")
    headers["Quartz-CSRF"] = session["csrf_token"]
    ann.send(notes, method="PUT", headers=headers, body="{}").expect(201)
    login = json.dumps({"email": "ann@example.com", "password": "any password"})
    refused = ann.send(f"{play.url}/v1/auth/login", method="POST", headers=headers, body=login)
    refused.expect(401, "credentials_invalid")

    play.people(ann=["everybody"])
    other = Browser()
    play.sign_in(other, "ann").expect(200)
    play.has_role(other, "reader")
    # The session of before follows.
    eventually(lambda: play.has_role(ann, "reader"))

    play.people(ann=["elsewhere"])
    play.sign_in(other, "ann").expect(403, "sso_refused")
    for browser in (ann, other):
        eventually(lambda: play.is_out(browser))
    assert play.members() == {}
    play.people(ann=["everybody"])
    play.sign_in(other, "ann").expect(200)
    assert play.members() == {"ann@example.com": "reader"}


def nobody_comes_another_way(play):
    play.people(ann=["everybody"], eve=["everybody"])
    # Ann's way back in Eve's browser, which has begun one too.
    ann, eve = Browser(), Browser()
    stolen = play.callback(ann, "ann")
    eve.send(stolen).expect(400, "sso_attempt_invalid")
    eve.send(play.begin()).expect(303)
    eve.send(stolen).expect(400, "sso_attempt_invalid")
    # Eve's way back in Ann's browser, who would work in Eve's name.
    ann.send(play.callback(eve, "eve")).expect(400, "sso_attempt_invalid")
    assert play.members() == {"ann@example.com": "reader"}

    ann = Browser()
    back = play.callback(ann, "ann")
    ann.send(with_parameter(back, "state", "x" * 43)).expect(400, "sso_attempt_invalid")
    ann.send(with_parameter(back, "iss", "http://127.0.0.1:1")).expect(401, "sso_failed")
    ann = Browser()
    back = play.callback(ann, "ann")
    kept = dict(ann.cookies[urlsplit(play.url).port])
    ann.send(back).expect(303)
    assert not any(name.endswith("quartz_sso") for name in ann.cookies[urlsplit(play.url).port])
    ann.cookies[urlsplit(play.url).port] = kept
    ann.send(back).expect(400, "sso_attempt_invalid")

    # A code of somebody else, put into Ann's own way back: it was made for another verifier and nonce.
    ann, eve = Browser(), Browser()
    code = dict(parse_qsl(urlsplit(play.callback(eve, "eve")).query))["code"]
    ann.send(with_parameter(play.callback(ann, "ann"), "code", code)).expect(401, "sso_failed")

    for name in ("nonce", "code_challenge"):
        change = lambda url: with_parameter(url, name, "x" * 43)
        play.sign_in(Browser(), "ann", change=change).expect(401, "sso_failed")

    play.sign_in(Browser(), "ann", cancel=True).expect(403, "sso_refused")
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "livez"):
        Browser().send(play.begin(elsewhere)).expect(400, "invalid_request")


def a_provider_vouches(play):
    claims = {"email": "zoe@example.com", "email_verified": False, "groups": ["everybody"]}
    play.tell(people={"zoe": claims, "mallory": claims | {"email_verified": True}})
    play.sign_in(Browser(), "zoe").expect(403, "sso_refused")
    play.tell(people={"zoe": {"groups": ["everybody"]}})
    play.sign_in(Browser(), "zoe").expect(403, "sso_refused")
    play.tell(people={name: claims | {"email_verified": True} for name in ("zoe", "mallory")})
    zoe = Browser()
    play.sign_in(zoe, "zoe").expect(200)
    # The same address, and somebody else.
    play.sign_in(Browser(), "mallory").expect(403, "sso_refused")
    play.has_role(zoe, "reader")


def keys_are_rotated(play):
    play.people(ann=["db-admins"])
    play.tell(rotate="ES256", in_token=True)
    ann = Browser()
    play.sign_in(ann, "ann").expect(200)
    play.has_role(ann, "admin")


def it_is_in_the_log(play):
    def log():
        return play.as_operator("/v1/audit?limit=1000")["entries"]

    # What the registry at the edge has refused comes within seconds.
    def has_all():
        outcomes = {entry["outcome"] for entry in log()}
        assert outcomes == {"done", "credentials_invalid", "sso_refused", "sso_failed"}, outcomes

    eventually(has_all)
    entries = log()
    done = {entry["action"] for entry in entries if "by single sign-on" in entry["detail"]}
    assert done == {"member.join", "member.change", "member.remove"}, done
    logins = [entry for entry in entries if entry["action"] == "session.create"]
    begun = [entry for entry in logins if entry["outcome"] == "done"]
    assert all(entry["detail"] == "single sign-on" for entry in begun) and begun, begun
    assert begun[0]["actor"] == "root/person:ann@example.com", begun[0]


def a_restart_in_between(play):
    play.people(ann=["db-admins"])
    ann = Browser()
    back = play.callback(ann, "ann")
    play.server.restart()
    # At the edge it may end at any time, so it has kept what it knows attempts by.
    if play.server.is_edge:
        ann.send(back).expect(303)
        play.has_role(ann, "admin")
    else:
        ann.send(back).expect(400, "sso_attempt_invalid")


def plain_http_stays_here(quartz, folder):
    arguments = [quartz, "serve", "--data", f"{folder}/other", "--listen", "127.0.0.1:0"]
    sso = ["--oidc-issuer", "http://id.example", "--oidc-client-id", CLIENT, "--oidc-roles", "a=reader"]
    ended = subprocess.run(arguments + sso, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert ended.returncode != 0 and "only on this machine" in ended.stderr, ended


class Server:
    """QuartzDB, natively or at the edge, with its data in a folder."""

    def __init__(self, how, node, folder, port, issuer):
        self.url, self.log, self.process = f"http://127.0.0.1:{port}", Path(folder, "log"), None
        self.is_edge = how[0] == "edge"
        self.data = f"{folder}/data"
        if self.is_edge:
            self.command = [node, *how[1:], self.data, str(port)]
        else:
            self.command = [how[1], "serve", "--data", self.data, "--listen", f"127.0.0.1:{port}"]
        self.settings = {
            "QUARTZ_PUBLIC_URL": self.url,
            "QUARTZ_ROOT_KEY": EDGE_KEY,
            "QUARTZ_OIDC_ISSUER": issuer,
            "QUARTZ_OIDC_CLIENT_ID": CLIENT,
            "QUARTZ_OIDC_CLIENT_SECRET": SECRET,
            "QUARTZ_OIDC_SCOPES": "email,groups",
            "QUARTZ_OIDC_ROLES": "db-admins=admin,everybody=reader",
        }

    def start(self):
        """Starts it; gives its root key."""
        with self.log.open("a") as stderr:
            pipes = {"stdout": subprocess.PIPE, "stderr": stderr, "text": True}
            self.process = subprocess.Popen(self.command, env=os.environ | self.settings, **pipes)
        first(self.process.stdout, f"({self.url})")
        return EDGE_KEY if self.is_edge else Path(self.data, "root.key").read_text().strip()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_SECONDS)
        assert code == 0, f"the server ended with {code}"

    def restart(self):
        self.end()
        self.start()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first(out, pattern):
    for line in out:
        found = re.search(pattern, line)
        if found:
            return found[1]
    raise AssertionError(f"it ended before it said {pattern}")


def stop(process):
    process.kill()
    process.wait()


def main(node, provider, *how):
    # Each has to know the other's address before it starts.
    port, provider_port = free_port(), free_port()
    issuer = f"http://127.0.0.1:{provider_port}"
    with tempfile.TemporaryDirectory() as folder:
        server = Server(how, node, folder, port, issuer)
        if not server.is_edge:
            plain_http_stays_here(how[1], folder)
        other_log = Path(folder, "provider-log")
        arguments = [node, provider, str(provider_port), CLIENT, SECRET, server.url + CALLBACK]
        with other_log.open("w") as stderr:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr, "text": True}
            other = subprocess.Popen(arguments, **pipes)
        try:
            first(other.stdout, f"({issuer})")
            play = Play(server, server.start(), other)
            play.issuer = issuer
            for scene in (
                groups_are_roles, nobody_comes_another_way, a_provider_vouches, keys_are_rotated,
                it_is_in_the_log, a_restart_in_between,
            ):  # fmt: skip
                scene(play)
            server.end()
        except BaseException:
            print(server.log.read_text() if server.log.exists() else "", file=sys.stderr)
            print(other_log.read_text(), file=sys.stderr)
            raise
        finally:
            stop(other)
            if server.process is not None:
                stop(server.process)
        text = server.log.read_text()
        for secret in [SECRET, "qzo_", "qzs_", "code=", "eyJ"]:
            assert secret not in text, f"{secret} is in the log"


main(*sys.argv[1:])
print("single sign-on at a real provider: as it should be")
