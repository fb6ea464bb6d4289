"""People and mail, against a real SMTP server: sign-up, a forgotten password, an invitation.

    mail_test.py QUARTZ

Starts an SMTP server (aiosmtpd) and QUARTZ on free ports, plays a newcomer by HTTP alone, and stops both.
"""

import http.client
import json
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.controller import Controller

PASSWORD = "correct horse battery"
PATIENCE_SECONDS = 60


class Inbox:
    """Every mail that has come, once."""

    def __init__(self):
        self.mails = queue.Queue()

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.put((envelope.rcpt_tos, message))
        return "250 OK"

    def next(self, to, subject):
        recipients, message = self.mails.get(timeout=PATIENCE_SECONDS)
        assert recipients == [to] and message["To"] == to, (recipients, message["To"])
        assert message["From"] == "QuartzDB <db@example.com>", message["From"]
        assert message["Subject"] == subject, message["Subject"]
        return message.get_content()

    def token(self, to, subject, page):
        text = self.next(to, subject)
        found = re.search(rf"https://db\.example/console/{page}#(\S+)", text)
        assert found, text
        assert text.count(found[1]) == 2, "the token stands in the link and by itself"
        return found[1]


class Browser:
    """Sends JSON; keeps the cookie and the CSRF token."""

    def __init__(self, port):
        self.port = port
        self.cookie = self.csrf = None

    def call(self, method, path, body=None, expected=200):
        headers = {}
        if self.cookie:
            headers |= {"Cookie": self.cookie, "Quartz-CSRF": self.csrf}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == expected, (method, path, answer.status, text)
        answered = json.loads(text) if text else {}
        set_cookie = answer.getheader("Set-Cookie")
        if set_cookie and "csrf_token" in answered:
            assert set_cookie.startswith("__Host-quartz_session=qzs_"), set_cookie
            assert "; Secure" in set_cookie, set_cookie
            self.cookie, self.csrf = set_cookie.split(";")[0], answered["csrf_token"]
        return answered


def play(port, inbox):
    ann, email = Browser(port), "ann@example.com"
    methods = ann.call("GET", "/v1/auth/methods")
    assert methods == {"sign_up": True, "reset": True, "sso": []}, methods
    sign_up = {"email": email, "password": PASSWORD, "account_name": "Acme"}
    ann.call("POST", "/v1/auth/sign-up", sign_up, 202)
    token = inbox.token(email, "Confirm your e-mail address", "verify")
    ann.call("POST", "/v1/auth/verify", {"token": token, "password": "not that one"}, 401)
    ann.call("POST", "/v1/auth/verify", {"token": token, "password": PASSWORD})
    ann.call("PUT", "/v1/namespaces/notes", {}, 201)
    ann.call("POST", "/v1/auth/sign-up", sign_up, 202)
    inbox.next(email, "You have signed up already")

    # Nobody is told, by an answer or by a mail, whether there is somebody else.
    ann.call("POST", "/v1/auth/reset", {"email": "nobody@example.com"}, 202)
    ann.call("POST", "/v1/auth/reset", {"email": email}, 202)
    token = inbox.token(email, "Set a new password", "password")
    changed = {"token": token, "password": "battery staple"}
    ann.call("POST", "/v1/auth/password", changed, 204)
    inbox.next(email, "Your password was changed")
    ann.call("GET", "/v1/whoami", expected=401)
    ann.call("POST", "/v1/auth/login", {"email": email, "password": "battery staple"})

    invitation = {"email": "bob@example.com", "role": "reader"}
    invited = ann.call("POST", "/v1/invitations", invitation, 201)
    assert "token" not in invited, invited
    token = inbox.token("bob@example.com", "You are invited to QuartzDB", "accept")
    bob = Browser(port)
    bob.call("POST", "/v1/auth/accept", {"token": token, "password": PASSWORD})
    assert bob.call("GET", "/v1/whoami")["role"] == "reader"
    assert inbox.mails.empty()


def free_port_of(out):
    for line in out:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("the server did not say where it listens")


def main(quartz):
    inbox = Inbox()
    # The controller takes no port 0: it calls the port that it was given.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    smtp = Controller(inbox, hostname="127.0.0.1", port=port)
    smtp.start()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        arguments = [
            quartz, "serve", "--data", f"{folder}/data", "--listen", "127.0.0.1:0", "--sign-up",
            "--public-url", "https://db.example", "--smtp-url", f"smtp://127.0.0.1:{port}",
            "--mail-from", "QuartzDB <db@example.com>",
        ]  # fmt: skip
        with log.open("w") as stderr:
            server = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            play(free_port_of(server.stdout), inbox)
            server.send_signal(signal.SIGTERM)
            assert server.wait(PATIENCE_SECONDS) == 0, "the server did not stop cleanly"
        except BaseException:
            print(log.read_text(), file=sys.stderr)
            raise
        finally:
            server.kill()
            server.wait()
            smtp.stop()
        text = log.read_text()
        for secret in [PASSWORD, "battery staple", "qzl_", "qzi_", "qzs_"]:
            assert secret not in text, f"{secret} is in the log"


main(sys.argv[1])
print("sign-up, reset and invitation by mail: as they should be")
