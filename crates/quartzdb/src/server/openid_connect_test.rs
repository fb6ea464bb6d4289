//! Against a provider with keys of our own, which signs whatever it is told.

use std::sync::Mutex as StdMutex;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey as _,
    core::{CoreEdDsaPrivateSigningKey, CoreHmacKey},
};
use quartz_service::AccountId;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

const SECRET: &str = "a secret of the client, long enough to sign with";

/// What the provider says, and what it was asked.
#[derive(Default)]
struct Provider {
    issuer: String,
    metadata: Value,
    keys: Vec<CoreJsonWebKey>,
    tokens: Value,
    userinfo: Value,
    asked: Vec<(String, String)>,
}

type Shared = Arc<StdMutex<Provider>>;

fn key(number: u8) -> CoreEdDsaPrivateSigningKey {
    // PKCS #8 of an Ed25519 key (RFC 8410): a head that is always the same, and the key.
    let head = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let text = STANDARD.encode([&head[..], &[number; 32]].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let kid = JsonWebKeyId::new(number.to_string());
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(kid)).unwrap()
}

/// A provider on a port of its own, with key 1, and its client.
async fn provider() -> (Shared, OpenIdConnect) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let shared = Shared::default();
    {
        let mut provider = shared.lock().unwrap();
        provider.issuer = issuer.clone();
        provider.keys = vec![key(1).as_verification_key()];
        provider.metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["none", "HS256", "EdDSA"],
        });
    }
    let serving = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(&serving, stream).await;
        }
    });
    let settings = SsoSettings {
        issuer,
        client_id: "quartz".into(),
        client_secret: Some(SECRET.into()),
        account: AccountId::ROOT,
        scopes: vec!["email".into(), "team".into()],
        groups_claim: "groups".into(),
        roles: Vec::new(),
        default_role: None,
    };
    let client = OpenIdConnect::new(&settings, "https://db.example").unwrap();
    (shared, client)
}

/// Answers one request and hangs up.
async fn answer(shared: &Shared, mut stream: TcpStream) {
    let mut request = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let (status, answer) = {
        let mut provider = shared.lock().unwrap();
        let answer = match path.as_str() {
            "/.well-known/openid-configuration" => provider.metadata.clone(),
            "/jwks" => json!({"keys": provider.keys}),
            "/token" => provider.tokens.clone(),
            "/userinfo" => provider.userinfo.clone(),
            _ => json!({"error": "not_found"}),
        };
        provider.asked.push((path, format!("{head}\r\n\r\n{body}")));
        let status = if answer.get("error").is_some() {
            400
        } else {
            200
        };
        (status, answer.to_string())
    };
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn asked(shared: &Shared, path: &str) -> Vec<String> {
    let provider = shared.lock().unwrap();
    let asked = provider.asked.iter().filter(|(one, _)| one == path);
    asked.map(|(_, request)| request.clone()).collect()
}

fn handshake() -> Handshake {
    Handshake {
        state: "the state".into(),
        nonce: "the nonce".into(),
        verifier: "v".repeat(43),
    }
}

/// The claims of a good token, with changes: `null` takes one away.
fn claims(shared: &Shared, changes: &Value) -> Value {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": shared.lock().unwrap().issuer,
        "aud": "quartz",
        "sub": "ann",
        "iat": now,
        "exp": now + 60,
        "nonce": "the nonce",
        "email": "ann@example.com",
        "email_verified": true,
        "groups": ["staff", "chiefs"],
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims
}

fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn token(number: u8, claims: &Value) -> String {
    let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": number.to_string()});
    let sign = |text: &[u8]| key(number).sign(&Alg::EdDsa, text).unwrap();
    signed(&header, claims, sign)
}

/// Signs in with a token.
async fn sign_in(
    (shared, client): &(Shared, OpenIdConnect),
    token: String,
) -> Result<Identity, Fault> {
    let tokens = json!({"access_token": "t", "token_type": "Bearer", "id_token": token});
    shared.lock().unwrap().tokens = tokens;
    client.identify("the code".into(), handshake()).await
}

#[track_caller]
fn refusal(answer: Result<Identity, Fault>) -> String {
    match answer {
        Err(Fault::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_browser_is_sent_with_all_that_ties_it() {
    let (shared, client) = provider().await;
    let url = client.sign_in_url(handshake()).await.unwrap();
    let url = Url::parse(&url).unwrap();
    assert_eq!(url.path(), "/authorize");
    let sent: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "quartz"),
        ("redirect_uri", "https://db.example/v1/auth/sso/callback"),
        ("scope", "openid email team"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent[name], value);
    }
    assert!(!url.as_str().contains(&handshake().verifier));
    assert!(!url.as_str().contains("secret"));
    client.sign_in_url(handshake()).await.unwrap();
    // It was found out once what the provider is like.
    assert_eq!(asked(&shared, "/.well-known/openid-configuration").len(), 1);
}

#[tokio::test]
async fn a_code_is_traded_for_who_it_is() {
    let both = provider().await;
    let good = token(1, &claims(&both.0, &json!({})));
    let identity = sign_in(&both, good).await.unwrap();
    assert_eq!(
        identity,
        Identity {
            subject: "ann".into(),
            email: Some("ann@example.com".into()),
            email_verified: Some(true),
            groups: vec!["staff".into(), "chiefs".into()],
        }
    );
    let [request] = &asked(&both.0, "/token")[..] else {
        panic!("one request");
    };
    for part in [
        "grant_type=authorization_code",
        "code=the+code",
        &format!("code_verifier={}", handshake().verifier),
        "redirect_uri=https%3A%2F%2Fdb.example%2Fv1%2Fauth%2Fsso%2Fcallback",
        "authorization: Basic ",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
    // Nothing that the token says was asked for again.
    assert_eq!(asked(&both.0, "/userinfo").len(), 0);
    // One group, none, and booleans as text, as some providers have them.
    let changes = json!({"groups": "staff", "email_verified": "false"});
    let identity = sign_in(&both, token(1, &claims(&both.0, &changes))).await;
    let identity = identity.unwrap();
    assert_eq!(identity.groups, ["staff"]);
    assert_eq!(identity.email_verified, Some(false));
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_refused() {
    let both = provider().await;
    for changes in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": ["quartz", "other"]}),
        json!({"aud": null}),
        json!({"exp": 1_000_000}),
        json!({"exp": null}),
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"sub": null}),
        json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
    ] {
        let answer = sign_in(&both, token(1, &claims(&both.0, &changes))).await;
        let why = refusal(answer);
        assert!(!why.contains("ann@example.com"), "{changes}: {why}");
    }
    shared_tokens(&both, &json!({"access_token": "t", "token_type": "Bearer"}));
    let answer = both.1.identify("c".into(), handshake()).await;
    assert_eq!(refusal(answer), "there is no id_token");
    shared_tokens(&both, &json!({"error": "invalid_grant"}));
    let answer = both.1.identify("c".into(), handshake()).await;
    assert!(refusal(answer).contains("invalid_grant"));
}

fn shared_tokens((shared, _): &(Shared, OpenIdConnect), tokens: &Value) {
    shared.lock().unwrap().tokens = tokens.clone();
}

#[tokio::test]
async fn a_signature_is_by_a_key_of_the_provider_and_no_other_way() {
    let both = provider().await;
    let good = claims(&both.0, &json!({}));
    let hmac = |secret: &[u8]| {
        let key = CoreHmacKey::new(secret.to_vec());
        move |text: &[u8]| key.sign(&Alg::HmacSha256, text).unwrap()
    };
    // What everybody knows as a secret: the public key, as it is published.
    let public = serde_json::to_value(key(1).as_verification_key()).unwrap();
    let public = URL_SAFE_NO_PAD
        .decode(public["x"].as_str().unwrap())
        .unwrap();
    let hs256 = json!({"alg": "HS256", "kid": "1"});
    let none = |alg: &str| signed(&json!({"alg": alg}), &good, |_| Vec::new());
    let forged = [
        (
            "the client's secret",
            signed(&hs256, &good, hmac(SECRET.as_bytes())),
        ),
        ("the public key", signed(&hs256, &good, hmac(&public))),
        ("an empty secret", signed(&hs256, &good, hmac(b""))),
        ("nothing", none("none")),
        ("Nothing", none("None")),
        (
            "nothing, though it is said to be",
            signed(&json!({"alg": "EdDSA", "kid": "1"}), &good, |_| Vec::new()),
        ),
        (
            "another key by the same name",
            signed(&json!({"alg": "EdDSA", "kid": "1"}), &good, |text| {
                key(9).sign(&Alg::EdDsa, text).unwrap()
            }),
        ),
        (
            "another key without a name",
            signed(&json!({"alg": "EdDSA"}), &good, |text| {
                key(9).sign(&Alg::EdDsa, text).unwrap()
            }),
        ),
    ];
    for (by, token) in forged {
        let answer = sign_in(&both, token).await;
        assert!(matches!(answer, Err(Fault::Refused(_))), "{by}: {answer:?}");
    }
    // One that was good, with other claims under its signature.
    let token = token(1, &good);
    let parts: Vec<_> = token.split('.').collect();
    let other = claims(&both.0, &json!({"groups": ["admins"]})).to_string();
    let other = URL_SAFE_NO_PAD.encode(other);
    let tampered = format!("{}.{other}.{}", parts[0], parts[2]);
    refusal(sign_in(&both, tampered).await);
    sign_in(&both, token).await.unwrap();
}

#[tokio::test]
async fn keys_are_rotated() {
    let both = provider().await;
    let good = claims(&both.0, &json!({}));
    sign_in(&both, token(1, &good)).await.unwrap();
    let fetched = || asked(&both.0, "/jwks").len();
    assert_eq!(fetched(), 1);
    // A key that nobody knows is looked for once, and then not for a minute.
    refusal(sign_in(&both, token(7, &good)).await);
    refusal(sign_in(&both, token(8, &good)).await);
    assert_eq!(fetched(), 2);
    both.0.lock().unwrap().keys = vec![key(2).as_verification_key()];
    refusal(sign_in(&both, token(2, &good)).await);
    assert_eq!(fetched(), 2);
    both.1.discovered.lock().await.keys_due = Instant::now();
    sign_in(&both, token(2, &good)).await.unwrap();
    assert_eq!(fetched(), 3);
    // The former key is none any more.
    refusal(sign_in(&both, token(1, &good)).await);
    sign_in(&both, token(2, &good)).await.unwrap();
    assert_eq!(fetched(), 3);
}

#[tokio::test]
async fn what_the_token_leaves_out_is_asked_for() {
    let both = provider().await;
    let changes = json!({"email": null, "email_verified": null, "groups": null});
    let bare = claims(&both.0, &changes);
    let say = |info: Value| both.0.lock().unwrap().userinfo = info;
    say(
        json!({"sub": "ann", "email": "ann@example.com", "email_verified": false, "groups": ["staff"]}),
    );
    let identity = sign_in(&both, token(1, &bare)).await.unwrap();
    assert_eq!(identity.email.as_deref(), Some("ann@example.com"));
    assert_eq!(identity.email_verified, Some(false));
    assert_eq!(identity.groups, ["staff"]);
    let [request] = &asked(&both.0, "/userinfo")[..] else {
        panic!("one request");
    };
    assert!(request.contains("authorization: Bearer t"), "{request}");
    // What the token says stands.
    say(json!({"sub": "ann", "email": "eve@example.com", "groups": ["admins"]}));
    let changes = json!({"email": "ann@example.com", "groups": null});
    let identity = sign_in(&both, token(1, &claims(&both.0, &changes))).await;
    let identity = identity.unwrap();
    assert_eq!(identity.email.as_deref(), Some("ann@example.com"));
    assert_eq!(identity.groups, ["admins"]);
    // Somebody else's.
    say(json!({"sub": "eve", "email": "ann@example.com", "groups": ["admins"]}));
    refusal(sign_in(&both, token(1, &bare)).await);
}

#[tokio::test]
async fn a_provider_that_is_not_what_it_was_said_to_be_is_none() {
    for (name, value) in [
        ("issuer", "https://evil.example"),
        ("authorization_endpoint", "http://evil.example/authorize"),
        ("token_endpoint", "http://evil.example/token"),
        ("userinfo_endpoint", "http://evil.example/userinfo"),
        ("jwks_uri", "http://evil.example/jwks"),
    ] {
        let (shared, client) = provider().await;
        shared.lock().unwrap().metadata[name] = value.into();
        let answer = client.sign_in_url(handshake()).await;
        assert!(matches!(answer, Err(Fault::Unavailable(_))), "{name}");
    }
    let (shared, client) = provider().await;
    let long = "x".repeat(ANSWER_BYTES_MAX);
    shared.lock().unwrap().metadata["op_policy_uri"] = long.into();
    let answer = client.sign_in_url(handshake()).await;
    let Err(Fault::Unavailable(why)) = answer else {
        panic!("it was taken");
    };
    assert!(why.contains("longer than"), "{why}");
    // Not asked again at once, and then well.
    shared.lock().unwrap().metadata["op_policy_uri"] = "https://id.example/policy".into();
    assert!(client.sign_in_url(handshake()).await.is_err());
    assert_eq!(asked(&shared, "/.well-known/openid-configuration").len(), 1);
    client.discovered.lock().await.due = Instant::now();
    client.sign_in_url(handshake()).await.unwrap();
    // One that is gone later is taken as it was.
    shared.lock().unwrap().metadata = json!({"error": "down"});
    client.discovered.lock().await.due = Instant::now();
    client.sign_in_url(handshake()).await.unwrap();
    assert_eq!(asked(&shared, "/.well-known/openid-configuration").len(), 3);
}
