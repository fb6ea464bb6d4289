//! People: invitations, sessions, members, and what is tried against them. The server of the suite sends no
//! mail and lets no strangers in, which is how one's own server starts.

use quartz_conformance::{Api, Browser, OPEN_ROUTES, PASSWORD, accept, unique};
use serde_json::{Value, json};

fn address() -> String {
    format!("{}@example.com", unique())
}

fn login(email: &str, password: &str) -> quartz_conformance::Call {
    let body = json!({"email": email, "password": password});
    let call = Api::from_env().call("POST", "/v1/auth/login");
    call.unsigned().json(&body)
}

#[tokio::test]
async fn strangers_get_in_by_invitation_only() {
    let api = Api::from_env();
    let methods = api.get("/v1/auth/methods").unsigned().await.ok();
    assert_eq!(
        methods,
        json!({"sign_up": false, "reset": false, "sso": []})
    );
    let post = |path: &str, body: Value| api.call("POST", path).unsigned().json(&body);
    let sign_up = json!({"email": address(), "password": PASSWORD, "account_name": "n"});
    post("/v1/auth/sign-up", sign_up)
        .await
        .problem("sign_up_closed");
    let reset = json!({"email": address()});
    post("/v1/auth/reset", reset).await.problem("conflict");
    for token in ["", "qzl_", "qzi_root_1_", &"x".repeat(4_000)] {
        let body = json!({"token": token, "password": PASSWORD});
        for path in ["/v1/auth/verify", "/v1/auth/password", "/v1/auth/accept"] {
            post(path, body.clone()).await.problem("link_invalid");
        }
    }
    for (path, code) in [
        ("/v1/auth/sso", "sso_not_configured"),
        (
            "/v1/auth/sso?return_to=/console/x%3Fy",
            "sso_not_configured",
        ),
        ("/v1/auth/sso?return_to=//evil.example", "invalid_request"),
        (
            "/v1/auth/sso?return_to=https://evil.example",
            "invalid_request",
        ),
        ("/v1/auth/sso?other=x", "invalid_request"),
        ("/v1/auth/sso/callback", "invalid_request"),
        ("/v1/auth/sso/callback?state=x", "invalid_request"),
        ("/v1/auth/sso/callback?state=x&code=y", "sso_not_configured"),
        (
            "/v1/auth/sso/callback?state=x&error=access_denied",
            "sso_not_configured",
        ),
    ] {
        api.get(path).unsigned().await.problem(code);
    }
    // What takes no credential takes little of anything.
    for route in OPEN_ROUTES.iter().filter(|route| route.method == "POST") {
        let call = api.call("POST", route.path).unsigned();
        let large = call.body("application/json", " ".repeat((16 << 10) + 1));
        large.await.problem("body_too_large");
    }
}

#[tokio::test]
async fn a_session_from_its_login_to_its_end() {
    let email = address();
    let (account, owner) = Browser::owner(&email).await;
    let whoami = owner.call("GET", "/v1/whoami").await.ok();
    assert_eq!(whoami["member"], json!(email));
    assert_eq!(
        (&whoami["account"], &whoami["role"]),
        (&json!(account), &json!("owner"))
    );
    let value = format!("/v1/namespaces/{}/kv/k", unique());
    owner
        .call("PUT", &value)
        .body("text/plain", "x")
        .await
        .expect(201);
    assert_eq!(owner.unproved("GET", &value).await.expect(200).body, b"x");
    // Without the token nothing is changed, with another's neither.
    let (_, other) = Browser::owner(&address()).await;
    let put = || owner.unproved("PUT", &value).body("text/plain", "y");
    put().await.problem("csrf_token_invalid");
    put()
        .header("quartz-csrf", &other.csrf)
        .await
        .problem("csrf_token_invalid");
    assert_eq!(owner.unproved("GET", &value).await.expect(200).body, b"x");

    // A login in a browser that has a session ends that one.
    let again = login(&email, PASSWORD)
        .header("cookie", &other.cookie)
        .await;
    let again = Browser::of(&again.expect(200));
    assert_ne!(again.cookie, owner.cookie);
    other
        .call("GET", "/v1/whoami")
        .await
        .problem("session_invalid");
    again.call("DELETE", "/v1/auth/session").await.expect(204);
    again
        .call("GET", "/v1/whoami")
        .await
        .problem("session_invalid");
    owner.call("GET", "/v1/whoami").await.expect(200);
    let third = Browser::of(&login(&email, PASSWORD).await.expect(200));
    third.call("DELETE", "/v1/auth/sessions").await.expect(204);
    owner
        .call("GET", "/v1/whoami")
        .await
        .problem("session_invalid");
}

#[tokio::test]
async fn a_wrong_login_tells_nothing() {
    let email = address();
    Browser::owner(&email).await;
    let mut answers = Vec::new();
    for email in [email, address()] {
        let problem = login(&email, "not the password")
            .await
            .problem("credentials_invalid");
        assert!(!problem.detail.contains(&email));
        answers.push((problem.detail, problem.path));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn members_do_what_their_role_says() {
    let api = Api::from_env();
    let email = address();
    let (account, owner) = Browser::owner(&email).await;
    let invite = |browser: &Browser, email: &str, role: &str| {
        let body = json!({"email": email, "role": role});
        browser.call("POST", "/v1/invitations").json(&body)
    };
    // Without mail nobody but the operator can carry a token over.
    invite(&owner, &address(), "reader")
        .await
        .problem("conflict");
    // The operator's own account takes members like any other.
    let guest = address();
    let body = json!({"email": guest, "role": "reader"});
    let invited = api.call("POST", "/v1/invitations").json(&body).await;
    let invited = invited.expect(201).json();
    let reader = Browser::of(&accept(&invited["token"], PASSWORD).await.expect(200));
    accept(&invited["token"], PASSWORD)
        .await
        .problem("link_invalid");
    reader.call("GET", "/v1/namespaces").await.expect(200);
    let denied = reader
        .call("GET", "/v1/members")
        .await
        .problem("permission_denied");
    assert!(denied.detail.contains("members:read"), "{}", denied.detail);
    let members = api.get("/v1/members").await.ok();
    let members = members["members"].as_array().unwrap();
    let member = members
        .iter()
        .find(|one| one["email"] == json!(guest))
        .unwrap();
    let path = format!("/v1/members/{}", member["id"]);
    let patch = api.call("PATCH", &path).json(&json!({"role": "billing"}));
    patch.await.expect(200);
    reader
        .call("GET", "/v1/namespaces")
        .await
        .problem("permission_denied");
    api.call("DELETE", &path).await.expect(204);
    reader
        .call("GET", "/v1/whoami")
        .await
        .problem("session_invalid");
    login(&guest, PASSWORD).await.problem("credentials_invalid");
    api.call("DELETE", &path).await.problem("member_not_found");

    // The last owner stays; what is closed is gone with the person.
    owner
        .call("POST", "/v1/auth/leave")
        .await
        .problem("conflict");
    owner
        .call("DELETE", format!("/v1/accounts/{account}"))
        .await
        .expect(204);
    owner
        .call("GET", "/v1/whoami")
        .await
        .problem("session_invalid");
    login(&email, PASSWORD).await.problem("credentials_invalid");
}

#[tokio::test]
async fn an_invitation_that_is_withdrawn_opens_nothing() {
    let api = Api::from_env();
    let body = json!({"email": address(), "role": "reader"});
    let invited = api.call("POST", "/v1/invitations").json(&body).await;
    let invited = invited.expect(201).json();
    let path = format!("/v1/invitations/{}", invited["id"]);
    let list = api.get("/v1/invitations").await.ok();
    let list = list["invitations"].as_array().unwrap();
    assert!(
        list.iter()
            .any(|one| one["id"] == invited["id"] && one["token"].is_null())
    );
    api.call("DELETE", &path).await.expect(204);
    api.call("DELETE", &path)
        .await
        .problem("invitation_not_found");
    accept(&invited["token"], PASSWORD)
        .await
        .problem("link_invalid");
}

#[tokio::test]
async fn guesses_run_out() {
    let email = address();
    Browser::owner(&email).await;
    let mut refused = None;
    for _ in 0..20 {
        let answer = login(&email, "not the password").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.problem("credentials_invalid");
    }
    let refused = refused.expect("twenty guesses were answered");
    refused.check(
        refused.header("retry-after").parse::<u64>().is_ok(),
        "Retry-After",
    );
    refused.problem("rate_limited");
}
