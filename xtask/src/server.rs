//! A server of our own, with a data directory that is thrown away.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    cache,
    process::{self, program, run},
};

const START_LIMIT: Duration = Duration::from_secs(30);
/// The server gives its requests 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const LOG_LINES: usize = 60;

/// The server's program, as built by [`build`].
pub(crate) fn binary() -> PathBuf {
    cache::target_dir().join("debug/quartz")
}

/// Builds the server and all tests at once. Everything here builds the whole workspace, because
/// Cargo chooses the features of a dependency by what is built together: another selection would
/// compile half of the dependencies again.
pub(crate) fn build() -> Result<()> {
    run(process::cargo().args(["build", "--workspace", "--bins", "--tests"]))
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    /// Where it answers.
    pub(crate) url: String,
    /// A key it accepts.
    pub(crate) api_key: String,
}

impl Server {
    /// Starts a server on a free port and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
        let folder = cache::target_dir().join(format!("xtask/server-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let out = folder.join("out");
        let child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            // Webhooks may come to this machine.
            .env("QUARTZ_WEBHOOK_NETWORKS", "127.0.0.0/8")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(folder.join("log"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary().display()))?;
        let mut server = Self {
            child,
            folder,
            url: String::new(),
            api_key: String::new(),
        };
        server.url = server.wait_for_url(&out)?;
        server.api_key = fs::read_to_string(server.data().join("root.key"))
            .context("the server wrote no root.key")?
            .trim()
            .to_owned();
        println!("server {} answers at {}", server.child.id(), server.url);
        Ok(server)
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The server says where it listens once it does.
    fn wait_for_url(&mut self, out: &Path) -> Result<String> {
        let start = Instant::now();
        while start.elapsed() < START_LIMIT {
            let text = fs::read_to_string(out).unwrap_or_default();
            if let Some(at) = text.find("http://")
                && let Some((url, _)) = text[at..].split_once('\n')
            {
                return Ok(url.trim().to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once, {status}\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server did not answer in time\n{}", self.log())
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let text = fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
        format!("--- end of the server's log\n{}\n---", end.join("\n"))
    }

    /// Runs `work` against the server; if it fails, shows the log.
    pub(crate) fn watch<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let result = work(self);
        if let Some(status) = self.child.try_wait()? {
            println!("{}", self.log());
            bail!("the server ended by itself, {status}");
        }
        if result.is_err() {
            println!("{}", self.log());
        }
        result
    }

    /// Stops the server as an operator would, and proves its data sound.
    pub(crate) fn stop_and_check(mut self) -> Result<()> {
        let pid = self.child.id();
        let start = Instant::now();
        run(program("sh").args(["-c", &format!("kill -TERM {pid}")]))?;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > STOP_LIMIT {
                bail!("the server did not stop after SIGTERM\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        if !status.success() {
            bail!("the server stopped with {status}\n{}", self.log());
        }
        run(program(binary()).arg("check").arg(self.data()))?;
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
