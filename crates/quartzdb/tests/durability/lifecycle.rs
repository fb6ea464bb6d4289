//! Start, settings, the root key, and the way a server stops.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    http::{connect, exchange, read_reply},
    process::{Setup, text},
};

#[test]
fn sigterm_finishes_what_runs_and_takes_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path());
    let server = setup.start();
    let (first, second) = ("the first half, ", "and the second");
    let head = server.head(
        "PUT",
        "/v1/namespaces/n/kv/slow",
        first.len() + second.len(),
    );
    let mut slow = connect(server.address()).unwrap();
    // The server sends `100 Continue` when it begins to read the body: then the request runs.
    let head = format!("{head}Content-Type: text/plain\r\nExpect: 100-continue\r\n\r\n");
    slow.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    slow.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "), "{}", text(&go_on));
    slow.write_all(first.as_bytes()).unwrap();
    // A connection that says nothing must not hold the server up.
    let silent = connect(server.address()).unwrap();

    server.terminate();
    let began = Instant::now();
    while connect(server.address()).is_ok() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it still takes connections"
        );
        sleep(Duration::from_millis(5));
    }
    slow.write_all(second.as_bytes()).unwrap();
    let reply = read_reply(slow).unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    drop(silent);

    let server = setup.start();
    let reply = server.send("GET", "/v1/namespaces/n/kv/slow", "");
    assert_eq!(
        (reply.status, reply.body),
        (200, format!("{first}{second}"))
    );
    server.stop();
}

#[test]
fn sigterm_ends_a_start_that_takes_long() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    fs::create_dir(&store).unwrap();
    // What is read first of a store, from a pipe that never gives anything.
    let format = store.join("FORMAT");
    let made = Command::new("mkfifo").arg(&format).status();
    assert!(made.unwrap().success());
    let process = Setup::new(folder.path()).spawn();
    // Opens once the server is about to read.
    let silent = OpenOptions::new().write(true).open(&format).unwrap();
    process.signal("-TERM");
    let ended = process.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    drop(silent);
}

#[test]
fn the_root_key_is_shown_once_and_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let setup = Setup::new(&data).arg("--log").arg("trace");
    let server = setup.start();
    let key = server.key.clone();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.join("root.key")), 0o600);
    assert_eq!(mode(data.clone()), 0o700);
    assert_eq!(server.send("PUT", "/v1/namespaces/n/kv/k", "1").status, 201);
    let last = if key.ends_with('x') { 'y' } else { 'x' };
    let wrong = format!("{}{last}", &key[..key.len() - 1]);
    let head = server
        .head("GET", "/v1/namespaces", 0)
        .replace(&key, &wrong);
    let refused = exchange(server.address(), format!("{head}\r\n").as_bytes());
    assert_eq!(refused.unwrap().status, 401);
    let ended = server.stop();
    assert!(ended.stdout.contains(&key), "{}", ended.stdout);
    assert!(
        !ended.stderr.contains(&key),
        "the key is in the log of the first start"
    );
    // The secret itself, not only the whole line.
    let secret = &key[key.len() - 20..];

    let server = setup.start();
    assert_eq!(server.key, key);
    assert_eq!(server.send("GET", "/v1/namespaces/n/kv/k", "").status, 200);
    let ended = server.stop();
    assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    assert!(!ended.stderr.contains(secret), "the key is in the log");

    fs::write(data.join("root.key"), "qz_root_oops\n").unwrap();
    let words = setup.refused();
    assert!(words.contains("root.key"), "{words}");
}

#[test]
fn an_address_in_use_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let words = Setup::new(folder.path())
        .arg("--listen")
        .arg(&taken)
        .refused();
    assert!(
        words.contains(&taken) && words.contains("--listen"),
        "{words}"
    );
    // The attempt leaves a directory that a later start can use.
    Setup::new(folder.path()).start().stop();
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quartz.toml");
    let (by_file, by_variable, by_flag) = (
        folder.path().join("by-file"),
        folder.path().join("by-variable"),
        folder.path().join("by-flag"),
    );
    fs::write(
        &file,
        format!("data = {:?}\n", by_file.display().to_string()),
    )
    .unwrap();
    let mut setup = Setup::new(&by_file).arg("--config").arg(&file);
    setup.variables.remove("QUARTZ_DATA");
    setup.start().stop();
    assert!(by_file.join("root.key").exists());

    setup = setup.env("QUARTZ_DATA", &by_variable);
    setup.data.clone_from(&by_variable);
    assert!(!by_variable.exists());
    setup.start().stop();
    assert!(by_variable.join("root.key").exists());

    setup = setup.arg("--data").arg(&by_flag);
    setup.data.clone_from(&by_flag);
    assert!(!by_flag.exists());
    setup.start().stop();
    assert!(by_flag.join("root.key").exists());
}

#[test]
fn a_configuration_that_makes_no_sense_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quartz.toml");
    let setup = Setup::new(folder.path().join("data"))
        .arg("--config")
        .arg(&file);
    let missing = setup.refused();
    assert!(missing.contains("quartz.toml"), "{missing}");
    for (text, told) in [
        ("vektor_cache = \"1GiB\"\n", "vektor_cache"),
        ("listen = \"nowhere\"\n", "listen"),
        ("[limits]\ntop_k = 10001\n", "limits.top_k"),
        ("[limits\n", "quartz.toml"),
    ] {
        fs::write(&file, text).unwrap();
        let words = setup.refused();
        assert!(words.contains(told), "{text} gives {words}");
    }
}

#[test]
fn lowered_limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quartz.toml");
    fs::write(
        &file,
        "[limits]\nvalue_bytes = 100\ntop_k = 3\nrecords_per_request = 2\n",
    )
    .unwrap();
    let server = Setup::new(folder.path().join("data"))
        .arg("--config")
        .arg(&file)
        .start();
    let put = |bytes: usize| {
        let value = "x".repeat(bytes);
        server.send("PUT", "/v1/namespaces/n/kv/k", &value)
    };
    assert_eq!(put(100).status, 201);
    let over = put(101);
    assert_eq!(over.status, 400);
    assert!(over.body.contains("value_bytes = 100"), "{over:?}");
    let upsert = |count: usize| {
        let records: Vec<_> = (0..count)
            .map(|number| json!({"id": number.to_string(), "vector": [1, number]}))
            .collect();
        let body = json!({"records": records}).to_string();
        server.send("POST", "/v1/namespaces/n/upsert", &body)
    };
    assert_eq!(upsert(2).status, 200);
    let over = upsert(3);
    assert_eq!(over.status, 400);
    assert!(over.body.contains("limit_exceeded"), "{over:?}");
    let query = |top_k: usize| {
        let body = json!({"vector": [1, 1], "top_k": top_k}).to_string();
        server.send("POST", "/v1/namespaces/n/query", &body)
    };
    assert_eq!(query(3).status, 200);
    let over = query(4);
    assert_eq!(over.status, 400);
    assert!(over.body.contains("limit_exceeded"), "{over:?}");
    assert!(over.head.contains("application/problem+json"), "{over:?}");
    server.stop();
}

#[test]
fn sighup_reads_the_plans_again_and_keeps_them_if_they_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.toml");
    let plans = |more: &str| {
        let text = format!("default = \"self-hosted\"\n[plans.self-hosted]\n{more}");
        fs::write(&file, text).unwrap();
    };
    plans("");
    let setup = Setup::new(folder.path().join("data")).env("QUARTZ_PLANS", &file);
    let server = setup.start();
    let set = || {
        let plan = json!({"plan": "new"}).to_string();
        server.send("PATCH", "/v1/accounts/root", &plan).status
    };
    assert_eq!(set(), 404);
    let until = |status: u16| {
        let began = Instant::now();
        while set() != status {
            assert!(began.elapsed() < Duration::from_secs(60), "never {status}");
            sleep(Duration::from_millis(20));
        }
    };
    plans("[plans.new]\n");
    server.signal("-HUP");
    until(200);
    plans("[plans.new]\nrequests_per_second = 0\n");
    server.signal("-HUP");
    sleep(Duration::from_millis(500));
    assert_eq!(set(), 200, "the plans before hold");
    plans("");
    server.signal("-HUP");
    until(404);
    let ended = server.stop();
    assert!(
        ended.stderr.contains("the plans were not read again"),
        "{}",
        ended.stderr
    );
}
