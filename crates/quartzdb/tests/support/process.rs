//! Servers as child processes.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use quartz_client::Client;
use tempfile::TempDir;

/// A server that has not done its part after this long hangs.
const HANG: Duration = Duration::from_secs(60);

/// The program, without the settings of whoever runs the tests.
pub(crate) fn quartz() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quartz"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("QUARTZ_") {
            command.env_remove(name);
        }
    }
    command
}

/// What `quartz check` says about a data directory.
pub(crate) fn check(data: &Path) -> Output {
    let output = quartz()
        .args(["check", "--json"])
        .arg(data)
        .output()
        .unwrap();
    assert_no_panic("quartz check", &text(&output.stderr));
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_no_panic(program: &str, stderr: &str) {
    assert!(!stderr.contains("panicked at"), "{program}:\n{stderr}");
}

/// A server that is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) data: PathBuf,
    arguments: Vec<OsString>,
    pub(crate) variables: BTreeMap<String, OsString>,
}

impl Setup {
    /// On a free port.
    pub(crate) fn new(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        let variables = [
            ("QUARTZ_DATA", data.as_os_str()),
            ("QUARTZ_LISTEN", "127.0.0.1:0".as_ref()),
        ];
        Self {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            arguments: Vec::new(),
            data,
        }
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The process as it was started, whatever becomes of it.
    pub(crate) fn spawn(&self) -> Process {
        let output = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(output.path().join(name)).unwrap();
        let mut command = quartz();
        command
            .arg("serve")
            .args(&self.arguments)
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"));
        let started = Instant::now();
        Process {
            child: command.spawn().unwrap(),
            started,
            output,
        }
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(ended) => panic!("no start: {ended:?}"),
        }
    }

    /// A server, or what it said when it would not start.
    pub(crate) fn try_start(&self) -> Result<Server, Ended> {
        let mut process = self.spawn();
        let url = loop {
            if let Some(url) = process.url() {
                break url;
            }
            if process.has_ended() {
                return Err(process.wait());
            }
            process.check_patience("says where it listens");
            sleep(Duration::from_millis(1));
        };
        while !is_ready(&url) {
            process.check_patience("is ready");
            sleep(Duration::from_millis(1));
        }
        let ready_after = process.started.elapsed();
        let key = fs::read_to_string(self.data.join("root.key")).unwrap();
        Ok(Server {
            process,
            url,
            key: key.trim().to_owned(),
            ready_after,
        })
    }
}

/// A server process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    started: Instant,
    output: TempDir,
}

/// What is left of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// kill -9: nothing is finished, nothing is said.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let began = Instant::now();
        while !self.has_ended() {
            assert!(began.elapsed() < HANG, "it does not end");
            sleep(Duration::from_millis(2));
        }
        let ended = Ended {
            status: self.child.wait().unwrap(),
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
        };
        assert_no_panic("quartz serve", &ended.stderr);
        assert!(
            !ended.stderr.contains('\u{1b}'),
            "colours in a file: {}",
            ended.stderr
        );
        ended
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn read(&self, name: &str) -> String {
        text(&fs::read(self.output.path().join(name)).unwrap())
    }

    /// Where it listens, once it has said so in a whole line.
    fn url(&self) -> Option<String> {
        let said = self.read("stdout");
        let (line, _) = said.split_once('\n')?;
        let (_, url) = line.split_once(" serves ")?;
        Some(url.to_owned())
    }

    fn check_patience(&self, what: &str) {
        if self.started.elapsed() > HANG {
            panic!("it never {what}:\n{}", self.read("stderr"));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers.
pub(crate) struct Server {
    process: Process,
    pub(crate) url: String,
    pub(crate) key: String,
    /// From the start of the process to its first 200 on `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// A client with connections of its own that repeats nothing.
    pub(crate) fn client(&self) -> Client {
        Client::builder(&self.url)
            .api_key(&self.key)
            .retries(0)
            .build()
            .unwrap()
    }

    pub(crate) fn kill(self) -> Ended {
        self.process.kill()
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    pub(crate) fn wait(self) -> Ended {
        self.process.wait()
    }

    /// Stops it with SIGTERM, which must go well.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        let ended = self.wait();
        let Ended {
            status,
            stdout,
            stderr,
        } = &ended;
        assert!(status.success(), "{status}:\n{stdout}\n{stderr}");
        ended
    }
}

/// Whether `/readyz` answers 200.
fn is_ready(url: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(HANG))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: quartz\r\nConnection: close\r\n\r\n")?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok(reply.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
