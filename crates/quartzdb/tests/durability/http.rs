//! HTTP in its plainest form, and what else the tests here ask of a server.

use std::{
    ffi::OsString,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use quartz_client::Namespace;

use crate::process::{Server, Setup, text};

/// A server that has said nothing for this long hangs.
const SILENCE: Duration = Duration::from_secs(60);
/// So that both the machine and the measured times belong to one heavy test at a time.
static HEAVY: Mutex<()> = Mutex::new(());

/// Runs a heavy test, after the other heavy tests of this process.
pub(crate) fn heavy<T>(test: impl Future<Output = T>) -> T {
    let _turn = HEAVY.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(test)
}

impl Setup {
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// What a server says that must not start.
    pub(crate) fn refused(&self) -> String {
        match self.try_start() {
            Ok(_) => panic!("a server started that should not have"),
            Err(ended) => {
                assert!(!ended.status.success(), "{}", ended.stderr);
                // Log lines may stand before it.
                let sentence = ended.stderr.lines().any(|line| line.starts_with("error: "));
                assert!(sentence, "not a sentence: {}", ended.stderr);
                ended.stderr
            }
        }
    }
}

impl Server {
    pub(crate) fn namespace(&self, name: &str) -> Namespace {
        self.client().namespace(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().unwrap()
    }

    /// Head of a request with a key, without the last empty line.
    pub(crate) fn head(&self, method: &str, path: &str, length: usize) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: quartz\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n",
            self.key
        )
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, json: &str) -> Reply {
        let head = self.head(method, path, json.len());
        let request = format!("{head}Content-Type: application/json\r\n\r\n{json}");
        exchange(self.address(), request.as_bytes()).unwrap()
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Status line and headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends bytes that ask for the connection's end, and reads what comes until then.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<Reply> {
    let mut stream = connect(address)?;
    stream.write_all(request)?;
    read_reply(stream)
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    Ok(stream)
}

pub(crate) fn read_reply(mut stream: TcpStream) -> std::io::Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let reply = text(&bytes);
    let parsed = reply.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        })
    });
    parsed.ok_or_else(|| std::io::Error::new(ErrorKind::UnexpectedEof, "no whole answer"))
}
