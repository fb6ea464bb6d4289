//! Messages to a real receiver: signed, and not lost by a server that is killed.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::process::{Server, Setup, quartz, text};

const ROUNDS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// A message as it came.
#[derive(Debug)]
struct Message {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Takes messages until the test ends.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Message>>>);

impl Receiver {
    fn listen(&self, listener: TcpListener) {
        let messages = Arc::clone(&self.0);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // A connection of a server that was killed may end anywhere.
                let Some(message) = read(&mut BufReader::new(&stream)) else {
                    continue;
                };
                messages.lock().unwrap().push(message);
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer);
            }
        });
    }

    /// Keys that events about their creation came of.
    fn created(&self) -> BTreeSet<u64> {
        let messages = self.0.lock().unwrap();
        let events = messages.iter().map(Message::json);
        events
            .filter(|event| event["type"] == "key.created")
            .map(|event| event["data"]["key"].as_u64().unwrap())
            .collect()
    }
}

fn read(stream: &mut impl BufRead) -> Option<Message> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let length = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Message {
        path,
        headers,
        body,
    })
}

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn post(server: &Server, path: &str, body: &Value) -> Value {
    let reply = server.send("POST", path, &body.to_string());
    assert!(matches!(reply.status, 200..=202), "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn new_key(server: &Server) -> u64 {
    let key = json!({"name": "k", "role": "reader"});
    post(server, "/v1/keys", &key)["id"].as_u64().unwrap()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what} never came");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_event_is_lost_by_a_server_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path()).env("QUARTZ_WEBHOOK_NETWORKS", "127.0.0.0/8");
    let server = setup.start();
    let address = closed();
    let url = format!("http://{address}/hook");
    let webhook = post(&server, "/v1/webhooks", &json!({"url": url}));
    let secret = webhook["secret"].as_str().unwrap();

    // Nobody takes the first one, and the server ends before it tries again.
    let mut keys = BTreeSet::from([new_key(&server)]);
    server.kill();
    let receiver = Receiver::default();
    receiver.listen(TcpListener::bind(address).unwrap());
    let mut server = setup.start();
    for _ in 0..ROUNDS {
        keys.extend((0..3).map(|_| new_key(&server)));
        server.kill();
        server = setup.start();
    }
    wait_for("an event", || receiver.created() == keys);

    let hook = Webhook::new(secret).unwrap();
    for message in &*receiver.0.lock().unwrap() {
        assert_eq!(message.path, "/hook");
        hook.verify(&message.body, &message.headers).unwrap();
        let mut forged = message.body.clone();
        forged[0] ^= 1;
        hook.verify(&forged, &message.headers).unwrap_err();
    }
    let log = "/v1/webhooks/1/deliveries";
    wait_for("the end of the log", || {
        let log: Value = serde_json::from_str(&server.send("GET", log, "").body).unwrap();
        let mut entries = log["deliveries"].as_array().unwrap().iter();
        entries.all(|entry| entry["status"] == "delivered")
    });
    server.stop();
}

#[test]
fn webhooks_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path()).env("QUARTZ_WEBHOOK_NETWORKS", "127.0.0.0/8");
    let server = setup.start();
    let run = |arguments: &[&str]| {
        let mut command = quartz();
        let command = command.arg("webhook").args(arguments);
        let server = [("QUARTZ_URL", &server.url), ("QUARTZ_API_KEY", &server.key)];
        let output = command.envs(server).output().unwrap();
        let code = output.status.code().unwrap();
        (code, text(&output.stdout), text(&output.stderr))
    };
    let done = |arguments: &[&str]| {
        let (code, told, error) = run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        told
    };
    let json = |arguments: &[&str]| -> Value {
        let told = done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&told).unwrap()
    };
    assert_eq!(done(&["list"]), "no webhooks yet\n");
    let receiver = Receiver::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    receiver.listen(listener);
    let events = "key.created,budget.100";
    let told = done(&["create", &url, "--events", events, "--description", "tries"]);
    assert!(
        told.contains("whsec_") && told.contains("shown this once"),
        "{told}"
    );
    let described = json(&["describe", "1"]);
    assert_eq!(described["events"], json!(["key.created", "budget.100"]));
    assert_eq!(described["description"], "tries");
    let told = done(&["describe", "1"]);
    assert!(told.contains("key.created, budget.100"), "{told}");
    assert_eq!(json(&["list"]), described);

    assert_eq!(done(&["test", "1"]), "event 0 is on its way\n");
    let log = ["deliveries", "1"];
    wait_for("the message", || json(&log)["status"] == "delivered");
    let told = done(&log);
    assert!(
        told.contains("webhook.test") && told.contains("delivered"),
        "{told}"
    );
    assert_eq!(json(&["replay", "1", "0"])["event"]["type"], "webhook.test");
    wait_for("the same again", || receiver.0.lock().unwrap().len() == 2);
    let ids: BTreeSet<_> = {
        let messages = receiver.0.lock().unwrap();
        let ids = messages.iter().map(|one| one.headers["webhook-id"].clone());
        ids.map(|id| id.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids.len(), 1);

    let rotated = json(&["rotate", "1", "--grace", "60"]);
    assert!(rotated["former_until"].is_number(), "{rotated}");
    let told = done(&["rotate", "1", "--grace", "60"]);
    assert!(told.contains("signs too and ends in "), "{told}");
    // Nobody is there to be asked.
    assert_eq!(run(&["delete", "1"]).0, 2);
    assert_eq!(done(&["delete", "1", "--yes"]), "deleted webhook 1\n");
    for gone in [&["describe", "1"][..], &["replay", "1", "0"], &log] {
        let (code, _, error) = run(gone);
        assert_eq!(code, 3, "{gone:?}: {error}");
    }
    assert_eq!(run(&["create", "ftp://example.com/"]).0, 1);
    server.stop();
}

#[test]
fn a_tenant_sends_nothing_into_the_operators_network() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new(folder.path()).start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "[::ffff:7f00:1]"] {
        let url = format!("http://{host}:{port}/");
        post(&server, "/v1/webhooks", &json!({"url": url}));
    }
    new_key(&server);
    for number in 1..=3 {
        let path = format!("/v1/webhooks/{number}/deliveries");
        wait_for("the refusal", || {
            let log: Value = serde_json::from_str(&server.send("GET", &path, "").body).unwrap();
            let entry = &log["deliveries"][0];
            let answer = entry["answer"].as_str().unwrap_or_default();
            answer.contains("webhook_networks") && entry["status"] == "pending"
        });
    }
    assert!(listener.accept().is_err(), "somebody has connected");
    server.stop();
}
