//! Key-value over HTTP with `wrk`: reads beside a bare axum handler, durable writes beside single syncs
//! and beside Redis.

use std::{fs, net::TcpListener, path::Path, process::Command, time::Duration};

use anyhow::Context;
use axum::{Router, routing::get, serve::ListenerExt};

use crate::{
    All, command,
    command::median,
    fsync,
    record::Record,
    server::{self, Process, Server},
    wrk,
};

const VALUE_BYTES: usize = 1024;
const CONNECTIONS: u32 = 32;
const KEYS: u32 = 10_000;
const ROUNDS: usize = 3;

pub(crate) fn run(args: &All, record: &mut Record) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir_in(".")?;
    let quartz = Server::start(&args.quartz, &temporary.path().join("quartz"))?;
    let (_baseline, baseline) = server::start(
        Command::new(std::env::current_exe()?).arg("baseline"),
        "baseline on ",
    )?;
    let redis = Redis::start(temporary.path())?;

    let script = |name: &str, body: String| -> anyhow::Result<_> {
        let path = temporary.path().join(name);
        fs::write(&path, body)?;
        Ok(path)
    };
    let put = script("put.lua", wrk_script("PUT", &quartz.api_key))?;
    let get = script("get.lua", wrk_script("GET", &quartz.api_key))?;

    let (mut writes, mut syncs, mut sets) = (vec![], vec![], vec![]);
    let (mut reads, mut bare, mut bare_writes) = (vec![], vec![], vec![]);
    let wrk = |url: &str, script: &Path| wrk::rate(url, script, CONNECTIONS, args.seconds);
    // Steps of 7,919 visit every key, so the writes that come first set all that are read.
    wrk(&quartz.url, &put)?;
    for _ in 0..ROUNDS {
        syncs.push(fsync::rate(temporary.path(), Duration::from_secs(2))?);
        writes.push(wrk(&quartz.url, &put)?);
        sets.push(redis.set_rate()?);
        reads.push(wrk(&quartz.url, &get)?);
        bare.push(wrk(&baseline, &get)?);
        bare_writes.push(wrk(&baseline, &put)?);
    }
    let (writes, reads) = (median(writes), median(reads));
    let (syncs, sets) = (median(syncs), median(sets));
    let (bare, bare_writes) = (median(bare), median(bare_writes));
    record.add(
        "GET 1 KiB, 32 connections",
        reads,
        "/s",
        ("bare axum handler", bare),
        0.7,
    );
    record.add(
        "durable PUT 1 KiB, 32 connections",
        writes,
        "/s",
        ("one fsync at a time", syncs),
        20.0,
    );
    record.add(
        "durable PUT 1 KiB, 32 connections",
        writes,
        "/s",
        ("Redis 7 appendfsync always", sets),
        1.0,
    );
    // What the machine can do for HTTP and this client, however quick the disk is.
    record.add(
        "PUT 1 KiB to a bare axum handler, not stored",
        bare_writes,
        "/s",
        ("one fsync at a time", syncs),
        20.0,
    );
    Ok(())
}

/// Handlers that answer 1 KiB, and that read a body, and do nothing else.
pub(crate) fn baseline() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let body = bytes::Bytes::from(vec![b'x'; VALUE_BYTES]);
            let read = get(move || std::future::ready(body.clone()));
            let write = read.put(|_: bytes::Bytes| std::future::ready(()));
            let router = Router::new().route("/{*path}", write);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            println!("baseline on http://{}", listener.local_addr()?);
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            axum::serve(listener, router).await?;
            Ok(())
        })
}

fn wrk_script(method: &str, api_key: &str) -> String {
    let body = if method == "PUT" {
        format!("wrk.body = string.rep(\"x\", {VALUE_BYTES})\n")
    } else {
        String::new()
    };
    format!(
        "wrk.method = \"{method}\"\nwrk.headers[\"Authorization\"] = \"Bearer {api_key}\"\n{body}\
         count = 0\nrequest = function()\n  count = (count + 7919) % {KEYS}\n  return wrk.format(nil, \
         \"/v1/namespaces/bench/kv/key\" .. count)\nend\n"
    )
}

struct Redis {
    _process: Process,
    port: u16,
}

impl Redis {
    fn start(directory: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--loglevel",
                "warning",
                "--dir",
            ])
            .arg(directory)
            .stdout(std::process::Stdio::null())
            .spawn()
            .context("cannot start redis-server")?;
        let redis = Self {
            _process: Process(process),
            port,
        };
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(redis);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("redis-server does not answer")
    }

    /// Durable SETs a second, measured by Redis's own benchmark.
    fn set_rate(&self) -> anyhow::Result<f64> {
        let text = command::output(
            Command::new("redis-benchmark")
                .args(["-p", &self.port.to_string(), "-c", &CONNECTIONS.to_string()])
                .args(["-d", &VALUE_BYTES.to_string(), "-r", &KEYS.to_string()])
                .args(["-n", "100000", "-t", "set", "--csv"]),
        )?;
        let row = text
            .lines()
            .find(|line| line.starts_with("\"SET\""))
            .context("no SET row")?;
        let rate = row.split(',').nth(1).context("no rate")?;
        Ok(rate.trim_matches('"').parse()?)
    }
}
