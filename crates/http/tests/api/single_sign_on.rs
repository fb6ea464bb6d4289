//! Single sign-on as a browser sees it: redirects and cookies.

use std::sync::{Arc, Mutex};

use quartz_core::store::BoxFuture;
use quartz_service::{
    AccountId, Handshake, Identity, IdentityFault, IdentityProvider, PeopleSettings, SingleSignOn,
    person::SsoAttempts,
};
use serde_json::json;

use crate::support::{Answer, Api, Setup};

/// Signs everybody in as Ann, by the code `ann`.
#[derive(Default)]
struct Provider(Mutex<Vec<Handshake>>);

impl IdentityProvider for Provider {
    fn issuer(&self) -> &str {
        "https://id.example"
    }

    fn sign_in_url(&self, handshake: Handshake) -> BoxFuture<'_, Result<String, IdentityFault>> {
        let url = format!("https://id.example/sign-in?state={}", handshake.state);
        self.0.lock().unwrap().push(handshake);
        Box::pin(std::future::ready(Ok(url)))
    }

    fn identify(
        &self,
        code: String,
        handshake: Handshake,
    ) -> BoxFuture<'_, Result<Identity, IdentityFault>> {
        let is_begun = self.0.lock().unwrap().contains(&handshake);
        let who = match (code.as_str(), is_begun) {
            ("ann", true) => Ok(Identity {
                subject: "1".into(),
                email: Some("ann@example.com".into()),
                email_verified: Some(true),
                groups: vec!["staff".into()],
            }),
            ("gone", true) => Err(IdentityFault::Unavailable("it is down".into())),
            _ => Err(IdentityFault::Refused("invalid_grant".into())),
        };
        Box::pin(std::future::ready(who))
    }
}

fn server(public_url: &str) -> Api {
    let sso = SingleSignOn {
        provider: Arc::new(Provider::default()),
        attempts: SsoAttempts::new([1; 32]),
        account: AccountId::ROOT,
        roles: vec![("staff".into(), "reader".into())],
        default_role: None,
    };
    let setup = Setup::default();
    Api::with(Setup {
        sso: Some(Arc::new(sso)),
        people: PeopleSettings {
            public_url: public_url.into(),
            ..setup.people.clone()
        },
        ..setup
    })
}

fn get(api: &Api, path: &str, cookie: &str) -> Answer {
    api.send_from(&[("cookie", cookie)], "GET", path, "")
}

/// Cookies that an answer sets, whole.
fn cookies(answer: &Answer) -> Vec<String> {
    let all = answer.headers.get_all("set-cookie").iter();
    all.map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

/// Goes to the provider; the cookie to come back with, and the state.
fn begin(api: &Api, return_to: &str) -> (String, String) {
    let path = format!("/v1/auth/sso?return_to={return_to}");
    let answer = get(api, &path, "").expect(303);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let [set] = &cookies(&answer)[..] else {
        panic!("{:?}", answer.headers);
    };
    let (_, state) = answer.header("location").split_once("state=").unwrap();
    (set.split(';').next().unwrap().to_owned(), state.to_owned())
}

#[test]
fn a_browser_goes_there_and_comes_back_with_a_session() {
    let api = server("https://db.example");
    assert_eq!(
        get(&api, "/v1/auth/methods", "").ok()["sso"],
        json!([{"issuer": "https://id.example", "path": "/v1/auth/sso"}])
    );
    let answer = get(&api, "/v1/auth/sso", "").expect(303);
    let set = &cookies(&answer)[0];
    assert!(set.starts_with("__Host-quartz_sso=qzo_"), "{set}");
    assert!(
        set.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
        "{set}"
    );
    let (kept, state) = begin(&api, "/console/keys%3Fx=1");
    let path = format!("/v1/auth/sso/callback?state={state}&code=ann&session_state=more");
    let answer = get(&api, &path, &kept).expect(303);
    assert_eq!(answer.header("location"), "/console/keys?x=1");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let set = cookies(&answer);
    assert_eq!(set.len(), 2);
    assert!(set[0].starts_with("__Host-quartz_session=qzs_"), "{set:?}");
    assert!(
        set[1].starts_with("__Host-quartz_sso=; Path=/; Max-Age=0"),
        "{set:?}"
    );
    let session = set[0].split(';').next().unwrap();
    let whoami = get(&api, "/v1/whoami", session).ok();
    assert_eq!(
        (&whoami["member"], &whoami["role"]),
        (&json!("ann@example.com"), &json!("reader"))
    );
    // The same once more is nothing.
    let again = get(&api, &path, &kept);
    assert_eq!(again.expect(400).code(), "sso_attempt_invalid");
    // Who signs in anew loses the session that the browser had.
    let (kept, state) = begin(&api, "/");
    let path = format!("/v1/auth/sso/callback?state={state}&code=ann");
    get(&api, &path, &format!("{kept}; {session}")).expect(303);
    get(&api, "/v1/whoami", session).expect(401);
    assert!(!api.get("/v1/audit").ok().to_string().contains("qzo_"));
}

#[test]
fn what_does_not_hold_is_told_as_what_it_is() {
    let api = server("https://db.example");
    let finish = |kept: &str, query: &str| {
        let answer = get(&api, &format!("/v1/auth/sso/callback?{query}"), kept);
        assert!(cookies(&answer).is_empty());
        (answer.status.as_u16(), answer.code())
    };
    let told = |status: u16, code: &str| (status, code.to_owned());
    let (kept, state) = begin(&api, "/");
    let (_, other) = begin(&api, "/");
    for (cookie, query) in [
        ("", format!("state={state}&code=ann")),
        (kept.as_str(), format!("state={other}&code=ann")),
        (kept.as_str(), "state=&code=ann".to_owned()),
        ("quartz_sso=x", format!("state={state}&code=ann")),
    ] {
        let expected = told(400, "sso_attempt_invalid");
        assert_eq!(finish(cookie, &query), expected, "{cookie} {query}");
    }
    // Without TLS the cookie has another name, which a neighbour could set: it is none here.
    let plain = kept.replace("__Host-", "");
    let query = format!("state={state}&code=ann");
    assert_eq!(finish(&plain, &query), told(400, "sso_attempt_invalid"));
    for (query, expected) in [
        ("code=other", told(401, "sso_failed")),
        ("code=gone", told(503, "sso_unavailable")),
        ("error=access_denied", told(403, "sso_refused")),
        ("code=ann&iss=https://evil.example", told(401, "sso_failed")),
        ("error_description=x", told(400, "invalid_request")),
    ] {
        let (kept, state) = begin(&api, "/");
        assert_eq!(
            finish(&kept, &format!("state={state}&{query}")),
            expected,
            "{query}"
        );
    }
    assert_eq!(finish("", "code=ann"), told(400, "invalid_request"));
}

#[test]
fn a_browser_is_shown_a_page_of_what_was_refused() {
    let api = server("https://db.example");
    let (kept, state) = begin(&api, "/");
    let path = format!("/v1/auth/sso/callback?state={state}&error=access_denied");
    let headers = [
        ("cookie", kept.as_str()),
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("x-request-id", "seen-by-ann"),
    ];
    let answer = api.send_from(&headers, "GET", &path, "").expect(403);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    for told in ["sso_refused", "seen-by-ann", "href=\"/v1/auth/sso\""] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // What pages of ours call answers them as ever.
    let other = api.send_from(&headers[1..], "GET", "/v1/auth/session", "");
    assert_eq!(other.expect(401).code(), "api_key_missing");
}

#[test]
fn without_tls_the_cookies_do_not_insist_on_it() {
    let api = server("http://127.0.0.1:6464");
    let (kept, state) = begin(&api, "/");
    assert!(kept.starts_with("quartz_sso=qzo_"), "{kept}");
    let path = format!("/v1/auth/sso/callback?state={state}&code=ann");
    let set = cookies(&get(&api, &path, &kept).expect(303));
    assert!(set[0].starts_with("quartz_session=qzs_"), "{set:?}");
}
