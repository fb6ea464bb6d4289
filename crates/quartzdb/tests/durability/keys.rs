use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::process::{Setup, quartz, text};

/// What a command answers: its exit code, output and complaints.
fn ran(command: &mut Command, input: &str) -> (i32, String, String) {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing may have ended.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn api_keys_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new(folder.path()).start();
    let as_key = |key: &str, arguments: &[&str]| {
        let mut command = quartz();
        let server = [("QUARTZ_URL", &*server.url), ("QUARTZ_API_KEY", key)];
        ran(command.args(arguments).envs(server), "")
    };
    let run = |arguments: &[&str]| as_key(&server.key, &[&["key"], arguments].concat());
    let done = |arguments: &[&str]| {
        let (code, told, error) = run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        told
    };
    let read = |arguments: &[&str]| -> Value {
        let told = done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&told).unwrap()
    };
    let puts = |key: &str, namespace: &str| as_key(key, &["put", namespace, "greeting", "hi"]).0;

    assert_eq!(done(&["list"]), "no keys yet\n");
    let told = done(&[
        "create",
        "front end",
        "--role",
        "developer",
        "--prefix",
        "app-",
    ]);
    assert!(told.contains("shown this once"), "{told}");
    let key = told.split_whitespace().find(|word| word.starts_with("qz_"));
    let key = key.unwrap();
    assert_eq!((puts(key, "app-1"), puts(key, "other")), (0, 5));
    let described = read(&["describe", "1"]);
    assert_eq!(described["prefixes"], json!(["app-"]));
    let told = done(&["list"]);
    assert!(
        told.contains("front end") && told.contains("app-*"),
        "{told}"
    );
    assert!(!told.contains(key), "{told}");

    let changed = read(&["update", "1", "--name", "old", "--address", "192.0.2.0/24"]);
    assert_eq!(changed["addresses"], json!(["192.0.2.0/24"]));
    assert_eq!(puts(key, "app-1"), 5, "from elsewhere");
    let told = done(&["update", "1", "--anywhere"]);
    assert!(told.contains("anywhere") && told.contains("old"), "{told}");
    assert_eq!(run(&["update", "1"]).0, 2, "nothing to change");

    let told = done(&["rotate", "1", "--grace", "60"]);
    assert!(told.contains("opens too and ends in "), "{told}");
    assert_eq!(puts(key, "app-1"), 0);
    let rotated = read(&["rotate", "1"]);
    let renewed = rotated["key"].as_str().unwrap();
    assert_eq!((puts(key, "app-1"), puts(renewed, "app-1")), (5, 0));

    // Nobody is there to be asked.
    assert_eq!(run(&["revoke", "1"]).0, 2);
    assert_eq!(done(&["revoke", "1", "--yes"]), "revoked key 1\n");
    assert_eq!(puts(renewed, "app-1"), 5);
    assert_eq!(run(&["describe", "1"]).0, 3);
    let ends = read(&[
        "create", "guest", "--role", "reader", "--days", "1", "--rate", "5",
    ]);
    assert_eq!(ends["requests_per_second"], 5);
    assert!(ends["expires_at"].is_number(), "{ends}");
    server.stop();
}

#[test]
fn a_mistyped_key_is_told_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new(folder.path()).start();
    let key = server.key.clone();
    server.stop();
    let check = |input: &str| ran(quartz().args(["key", "check"]), input);
    let (code, told, _) = check(&format!("{key}\n"));
    assert_eq!((code, &*told), (0, "a well-formed key of account root\n"));
    let mistyped = key.replace(&key[20..22], "!!");
    for (input, why) in [
        (&*mistyped, "mistyped"),
        (&key[..30], "cut off"),
        ("sk_live_1234", "does not begin with qz_"),
        ("", "does not begin with qz_"),
    ] {
        let (code, told, error) = check(input);
        assert_eq!((code, &*told), (5, ""), "{error}");
        assert!(
            error.contains(why) && !error.contains(&key[20..]),
            "{error}"
        );
    }
}
