//! People through the router: sign-up, sessions, members, and what is tried against them.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use quartz_service::PeopleSettings;
use serde_json::{Value, json};

use crate::support::{Answer, Api, KEY, LetterBox, Setup};

const PASSWORD: &str = "correct horse battery";

struct World {
    api: Api,
    mail: Arc<LetterBox>,
}

/// A browser: it keeps the cookie and the CSRF token.
#[derive(Clone)]
struct Browser {
    api: Api,
    cookie: String,
    csrf: String,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut PeopleSettings)) -> Self {
        let mail = Arc::new(LetterBox::default());
        let mut setup = Setup::default();
        setup.people.sign_up = true;
        change(&mut setup.people);
        setup.mail = Some(Arc::clone(&mail));
        Self {
            api: Api::with(setup),
            mail,
        }
    }

    /// A request that carries nothing but its body.
    fn post(&self, path: &str, body: &Value) -> Answer {
        send(&self.api, "POST", path, &[], body)
    }

    fn sign_up(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD, "account_name": "Acme"});
        self.post("/v1/auth/sign-up", &body)
    }

    fn member(&self, email: &str) -> Browser {
        self.sign_up(email).expect(202);
        let token = self.mail.token();
        let verified = self.post(
            "/v1/auth/verify",
            &json!({"token": token, "password": PASSWORD}),
        );
        Browser::of(&self.api, &verified.expect(200))
    }

    fn login(&self, email: &str) -> Answer {
        self.post(
            "/v1/auth/login",
            &json!({"email": email, "password": PASSWORD}),
        )
    }
}

impl Browser {
    fn of(api: &Api, answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        Self {
            api: api.clone(),
            cookie: cookie.to_owned(),
            csrf: text(&answer.json()["csrf_token"]),
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("cookie", &*self.cookie), ("quartz-csrf", &*self.csrf)];
        send(&self.api, method, path, &headers, body)
    }

    fn get(&self, path: &str) -> Answer {
        send(
            &self.api,
            "GET",
            path,
            &[("cookie", &self.cookie)],
            &Value::Null,
        )
    }
}

fn send(api: &Api, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header("content-type", "application/json");
        Body::from(body.to_string())
    };
    api.send(request.body(body).unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn from_a_sign_up_to_a_record() {
    let world = World::new();
    let methods = send(&world.api, "GET", "/v1/auth/methods", &[], &Value::Null);
    assert_eq!(
        methods.ok(),
        json!({"sign_up": true, "reset": true, "sso": []})
    );
    let ann = world.member("Ann@example.com");
    assert!(ann.cookie.starts_with("__Host-quartz_session=qzs_"));
    let whoami = ann.get("/v1/whoami").ok();
    assert_eq!(
        (&whoami["member"], &whoami["role"]),
        (&json!("ann@example.com"), &json!("owner"))
    );
    assert_eq!(whoami["key"], Value::Null);
    ann.call("PUT", "/v1/namespaces/notes/kv/k", &json!("x"))
        .expect(201);
    assert_eq!(
        ann.get("/v1/namespaces/notes/kv/k").expect(200).body,
        "\"x\""
    );
    let session = ann.get("/v1/auth/session").expect(200);
    assert_eq!(session.header("cache-control"), "no-store");
    let session = session.json();
    assert_eq!(session["accounts"][0]["name"], "Acme");
    assert_eq!(session["csrf_token"], ann.csrf);
    let key = ann
        .call("POST", "/v1/keys", &json!({"name": "k", "role": "reader"}))
        .expect(201);
    assert_eq!(key.json()["created_by"], "person:ann@example.com");
    let gone = ann
        .call("DELETE", "/v1/auth/session", &Value::Null)
        .expect(204);
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(ann.get("/v1/whoami").expect(401).code(), "session_invalid");
}

#[test]
fn a_session_says_that_a_page_of_ours_is_asking() {
    let world = World::new();
    let (ann, bob) = (
        world.member("ann@example.com"),
        world.member("bob@example.com"),
    );
    // What a form on another site can make a browser send: the cookie, and a body of its own.
    let forms = [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "application/json",
    ];
    for kind in forms {
        let headers = [("cookie", &*ann.cookie), ("content-type", kind)];
        let answer = world.api.send_from(
            &headers,
            "POST",
            "/v1/keys",
            "{\"name\":\"k\",\"role\":\"owner\"}",
        );
        assert_eq!(answer.expect(403).code(), "csrf_token_invalid", "{kind}");
    }
    for (method, path) in [
        ("PUT", "/v1/namespaces/n"),
        ("DELETE", "/v1/auth/session"),
        ("DELETE", "/v1/auth/sessions"),
        ("POST", "/v1/auth/leave"),
        ("PATCH", "/v1/members/1"),
    ] {
        for csrf in ["", "x", &*bob.csrf] {
            let headers = [("cookie", &*ann.cookie), ("quartz-csrf", csrf)];
            let answer = send(&world.api, method, path, &headers, &Value::Null).expect(403);
            assert_eq!(answer.code(), "csrf_token_invalid", "{method} {path}");
        }
    }
    ann.get("/v1/auth/session").expect(200);
    // A login by a form of another site, which would let Ann work in Mallory's account.
    let body = json!({"email": "bob@example.com", "password": PASSWORD}).to_string();
    for kind in &forms[..3] {
        let answer =
            world
                .api
                .send_from(&[("content-type", kind)], "POST", "/v1/auth/login", &body);
        assert_eq!(answer.expect(415).code(), "unsupported_media_type");
    }
}

#[test]
fn a_login_ends_the_session_that_was_there() {
    let world = World::new();
    world.member("ann@example.com");
    let mallory = world.member("mallory@example.com");
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let answer = send(
        &world.api,
        "POST",
        "/v1/auth/login",
        &[("cookie", &mallory.cookie)],
        &body,
    );
    let ann = Browser::of(&world.api, &answer.expect(200));
    assert_ne!(ann.cookie, mallory.cookie);
    assert_eq!(
        mallory.get("/v1/whoami").expect(401).code(),
        "session_invalid"
    );
    // A value that somebody has chosen is none either.
    let (name, _) = ann.cookie.split_once('=').unwrap();
    let chosen = format!("{name}=qzs_{}", "A".repeat(64));
    let answer = send(
        &world.api,
        "POST",
        "/v1/auth/login",
        &[("cookie", &chosen)],
        &body,
    )
    .expect(200);
    assert!(!answer.header("set-cookie").contains(&chosen));
    let chosen = send(
        &world.api,
        "GET",
        "/v1/whoami",
        &[("cookie", &chosen)],
        &Value::Null,
    );
    assert_eq!(chosen.expect(401).code(), "session_invalid");
    // Over TLS a cookie without the prefix, which a neighbour can set, is none.
    let plain = ann.cookie.replace("__Host-", "");
    let plain = send(
        &world.api,
        "GET",
        "/v1/whoami",
        &[("cookie", &plain)],
        &Value::Null,
    );
    assert_eq!(plain.expect(401).code(), "api_key_missing");
}

#[test]
fn nobody_learns_who_has_signed_up() {
    let world = World::new();
    world.member("ann@example.com");
    let same = |answers: [Answer; 2]| {
        let [one, two] = answers.map(|answer| {
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id");
            let body = String::from_utf8(answer.body.to_vec()).unwrap();
            let id = answer.header("x-request-id");
            (answer.status, headers, body.replace(id, ""))
        });
        assert_eq!(one, two);
        one.0
    };
    let emails = ["ann@example.com", "nobody@example.com"];
    assert_eq!(
        same(emails.map(|email| world.sign_up(email))),
        StatusCode::ACCEPTED
    );
    let reset = |email| world.post("/v1/auth/reset", &json!({"email": email}));
    assert_eq!(same(emails.map(reset)), StatusCode::ACCEPTED);
    let login = |email| {
        let body = json!({"email": email, "password": "not the password"});
        world.post("/v1/auth/login", &body)
    };
    assert_eq!(same(emails.map(login)), StatusCode::UNAUTHORIZED);
}

#[test]
fn attempts_run_out() {
    let world = World::new();
    let mut passed = 0;
    let refused = loop {
        let answer = world.sign_up(&format!("m{passed}@example.com"));
        if answer.status != 202 {
            break answer;
        }
        passed += 1;
    };
    assert_eq!(passed, 10);
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.header("retry-after"), "600");
    let login = || world.login("ann@example.com");
    for _ in 0..10 {
        assert_eq!(login().expect(401).code(), "credentials_invalid");
    }
    let refused = login().expect(429);
    assert_eq!(
        (refused.code(), refused.header("retry-after")),
        ("rate_limited".into(), "30")
    );
}

#[test]
fn strangers_send_little() {
    let world = World::new();
    let sized = |bytes: usize| {
        let body = json!({"email": "a@b", "password": PASSWORD}).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let json = [("content-type", "application/json")];
    let login = |body: &str| world.api.send_from(&json, "POST", "/v1/auth/login", body);
    login(&sized(16 << 10)).expect(401);
    assert_eq!(
        login(&sized((16 << 10) + 1)).expect(413).code(),
        "body_too_large"
    );
    let problem = |email: &str, password: &str, name: &str| {
        let body = json!({"email": email, "password": password, "account_name": name});
        world.post("/v1/auth/sign-up", &body).problem()
    };
    let invalid = |path: &str| ("invalid_request".to_owned(), path.to_owned());
    let limit = |path: &str| ("limit_exceeded".to_owned(), path.to_owned());
    for email in ["", "a", "a@b\r\nBcc: c@d", "a@b c", "<a@b>"] {
        assert_eq!(problem(email, PASSWORD, "n"), invalid("email"), "{email}");
    }
    assert_eq!(
        problem(&format!("a@{}", "b".repeat(253)), PASSWORD, "n"),
        limit("email")
    );
    assert_eq!(problem("a@b", "123456789", "n"), invalid("password"));
    assert_eq!(problem("a@b", &"x".repeat(257), "n"), limit("password"));
    assert_eq!(problem("a@b", PASSWORD, ""), invalid("account_name"));
    // A line that would be another entry of a log.
    assert_eq!(
        problem("a@b", PASSWORD, "x\nadmin logged in"),
        invalid("account_name")
    );
    assert_eq!(
        problem("a@b", PASSWORD, &"x".repeat(129)),
        limit("account_name")
    );
    let body =
        json!({"email": "a@b", "password": "x".repeat(256), "account_name": "x".repeat(128)});
    world.post("/v1/auth/sign-up", &body).expect(202);
}

#[test]
fn members_come_by_invitation_and_do_what_they_may() {
    let world = World::new();
    let ann = world.member("ann@example.com");
    let invite = |browser: &Browser, email: &str, role: &str| {
        browser.call(
            "POST",
            "/v1/invitations",
            &json!({"email": email, "role": role}),
        )
    };
    let invitation = invite(&ann, "bob@example.com", "admin").expect(201).json();
    // Where there is mail, the token is in it and nowhere else.
    assert_eq!(invitation["token"], Value::Null);
    let accept = |token: &str| {
        world.post(
            "/v1/auth/accept",
            &json!({"token": token, "password": PASSWORD}),
        )
    };
    let token = world.mail.token();
    let bob = Browser::of(&world.api, &accept(&token).expect(200));
    assert_eq!(accept(&token).expect(400).code(), "link_invalid");
    let members = bob.get("/v1/members").ok();
    assert_eq!(members["members"].as_array().unwrap().len(), 2);
    let denied = invite(&bob, "eve@example.com", "owner").expect(403);
    assert!(text(&denied.json()["detail"]).contains("account:close"));
    let number = |email: &str| {
        let members = members["members"].as_array().unwrap();
        members.iter().find(|one| one["email"] == email).unwrap()["id"]
            .as_u64()
            .unwrap()
    };
    let path = |email: &str| format!("/v1/members/{}", number(email));
    let (anns, bobs) = (path("ann@example.com"), path("bob@example.com"));
    let role = |role: &str| json!({"role": role});
    bob.call("PATCH", &bobs, &role("owner")).expect(403);
    bob.call("PATCH", &anns, &role("reader")).expect(403);
    bob.call("DELETE", &anns, &Value::Null).expect(403);
    assert_eq!(
        ann.call("DELETE", &anns, &Value::Null).expect(409).code(),
        "conflict"
    );
    assert_eq!(
        ann.call("POST", "/v1/auth/leave", &Value::Null)
            .expect(409)
            .code(),
        "conflict"
    );
    ann.call("PATCH", &bobs, &role("reader")).expect(200);
    assert_eq!(
        bob.get("/v1/members").expect(403).code(),
        "permission_denied"
    );
    assert_eq!(bob.get("/v1/whoami").ok()["role"], "reader");
    assert_eq!(
        ann.call("PATCH", &bobs, &role("none")).code(),
        "role_not_found"
    );
    assert_eq!(
        ann.call("PATCH", "/v1/members/99", &role("reader")).code(),
        "member_not_found"
    );
    bob.call("POST", "/v1/auth/leave", &Value::Null).expect(204);
    assert_eq!(bob.get("/v1/whoami").expect(401).code(), "session_invalid");
    assert_eq!(
        world.login("bob@example.com").expect(401).code(),
        "credentials_invalid"
    );
    // One that is withdrawn.
    let invitation = invite(&ann, "cleo@example.com", "reader")
        .expect(201)
        .json();
    let path = format!("/v1/invitations/{}", invitation["id"]);
    assert_eq!(
        ann.get("/v1/invitations").ok()["invitations"][0]["email"],
        "cleo@example.com"
    );
    ann.call("DELETE", &path, &Value::Null).expect(204);
    assert_eq!(
        ann.call("DELETE", &path, &Value::Null).code(),
        "invitation_not_found"
    );
    assert_eq!(
        accept(&world.mail.token()).expect(400).code(),
        "link_invalid"
    );
    let log = ann.get("/v1/audit?limit=1000").ok().to_string();
    for action in [
        "invitation.create",
        "member.join",
        "member.change",
        "member.remove",
        "session.create",
    ] {
        assert!(log.contains(&format!("\"{action}\"")), "{action}");
    }
    for secret in [&token, &ann.csrf, PASSWORD] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn an_operator_invites_where_there_is_no_mail() {
    let api = Api::new();
    assert_eq!(
        send(&api, "GET", "/v1/auth/methods", &[], &Value::Null).ok(),
        json!({"sign_up": false, "reset": false, "sso": []})
    );
    let post = |path: &str, body: &Value| send(&api, "POST", path, &[], body);
    let sign_up = json!({"email": "a@b", "password": PASSWORD, "account_name": "n"});
    assert_eq!(
        post("/v1/auth/sign-up", &sign_up).expect(403).code(),
        "sign_up_closed"
    );
    assert_eq!(
        post("/v1/auth/reset", &json!({"email": "a@b"}))
            .expect(409)
            .code(),
        "conflict"
    );
    let created = api.post(
        "/v1/accounts",
        &json!({"name": "Acme", "owner_email": "ann@example.com"}),
    );
    let created = created.expect(201).json();
    let token = text(&created["invitation"]["token"]);
    let accepted = post(
        "/v1/auth/accept",
        &json!({"token": token, "password": PASSWORD}),
    );
    let ann = Browser::of(&api, &accepted.expect(200));
    let session = ann.get("/v1/auth/session").ok();
    assert_eq!(session["account"], created["account"]["id"]);
    // She is an owner, and no operator: without mail she can invite nobody.
    let invite = json!({"email": "bob@example.com", "role": "reader"});
    assert_eq!(
        ann.call("POST", "/v1/invitations", &invite)
            .expect(409)
            .code(),
        "conflict"
    );
    let path = format!("/v1/accounts/{}", text(&created["account"]["id"]));
    ann.call("DELETE", &path, &Value::Null).expect(204);
    assert_eq!(ann.get("/v1/whoami").expect(401).code(), "session_invalid");
    let login = post(
        "/v1/auth/login",
        &json!({"email": "ann@example.com", "password": PASSWORD}),
    );
    assert_eq!(login.expect(401).code(), "credentials_invalid");
}

#[test]
fn a_key_is_no_session_and_nobody_is_one_by_a_header() {
    let world = World::new();
    let ann = world.member("ann@example.com");
    for (method, path) in [
        ("GET", "/v1/auth/session"),
        ("DELETE", "/v1/auth/session"),
        ("DELETE", "/v1/auth/sessions"),
        ("POST", "/v1/auth/leave"),
    ] {
        // Even beside a cookie: the key is what counts.
        let headers = [
            ("x-api-key", KEY),
            ("cookie", &*ann.cookie),
            ("quartz-csrf", &*ann.csrf),
        ];
        let answer = send(&world.api, method, path, &headers, &Value::Null).expect(401);
        assert_eq!(answer.code(), "session_invalid", "{method} {path}");
    }
    for name in [
        "x-forwarded-user",
        "x-forwarded-email",
        "remote-user",
        "quartz-member",
        "quartz-session",
    ] {
        let headers = [(name, "ann@example.com")];
        let answer = send(&world.api, "GET", "/v1/whoami", &headers, &Value::Null).expect(401);
        assert_eq!(answer.code(), "api_key_missing", "{name}");
    }
    // A cookie of somebody else cut into one's own.
    let bob = world.member("bob@example.com");
    let at = ann.cookie.len() - 30;
    let mixed = format!("{}{}", &ann.cookie[..at], &bob.cookie[at..]);
    let answer = send(
        &world.api,
        "GET",
        "/v1/whoami",
        &[("cookie", &mixed)],
        &Value::Null,
    );
    assert_eq!(answer.expect(401).code(), "session_invalid");
    ann.get("/v1/whoami").expect(200);
}

#[test]
fn passwords_and_second_factors_are_changed_by_who_knows_them() {
    let world = World::new();
    let ann = world.member("ann@example.com");
    let change = |current: &str, new: &str| {
        ann.call(
            "PUT",
            "/v1/auth/password",
            &json!({"current": current, "password": new}),
        )
    };
    assert_eq!(
        change("wrong", "battery staple").expect(401).code(),
        "credentials_invalid"
    );
    assert_eq!(
        change(PASSWORD, "short").problem(),
        ("invalid_request".into(), "password".into())
    );
    change(PASSWORD, "battery staple").expect(204);
    assert_eq!(world.mail.next().subject, "Your password was changed");
    world.login("ann@example.com").expect(401);
    world
        .post("/v1/auth/reset", &json!({"email": "ann@example.com"}))
        .expect(202);
    let set = |token: &str| {
        world.post(
            "/v1/auth/password",
            &json!({"token": token, "password": PASSWORD}),
        )
    };
    let token = world.mail.token();
    set(&token).expect(204);
    assert_eq!(set(&token).expect(400).code(), "link_invalid");
    assert_eq!(ann.get("/v1/whoami").expect(401).code(), "session_invalid");
    let ann = Browser::of(&world.api, &world.login("ann@example.com").expect(200));
    let enrol = |password: &str| ann.call("POST", "/v1/auth/totp", &json!({"password": password}));
    assert_eq!(enrol("wrong").expect(401).code(), "credentials_invalid");
    let enrolment = enrol(PASSWORD).ok();
    assert!(text(&enrolment["uri"]).starts_with("otpauth://totp/QuartzDB:ann@example.com?secret="));
    let confirm = ann.call("PUT", "/v1/auth/totp", &json!({"code": "abc"}));
    assert_eq!(confirm.expect(401).code(), "second_factor_required");
    assert_eq!(ann.get("/v1/auth/session").ok()["second_factor"], false);
}
