use std::{error::Error as StdError, fmt, io, process::ExitCode};

use quartz_client::{Error, ErrorCode};

pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  it failed
  2  the command line is wrong
  3  no such record or namespace
  4  a precondition does not hold, or there is a conflict
  5  the API key is missing or not accepted
  6  the server cannot be reached or is too busy; try again";

/// Why a command ends without success, as its exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Failure = 1,
    Usage = 2,
    NotFound = 3,
    Conflict = 4,
    Unauthorized = 5,
    Unavailable = 6,
}

/// A failure that the command line itself found.
#[derive(Debug)]
pub(super) struct Stop {
    exit: Exit,
    message: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Stop {}

/// The request makes no sense; `message` says what would.
pub(super) fn usage(message: impl Into<String>) -> anyhow::Error {
    stop(Exit::Usage, message)
}

/// The key is none.
pub(super) fn unauthorized(message: impl Into<String>) -> anyhow::Error {
    stop(Exit::Unauthorized, message)
}

/// What was asked for is not there.
pub(super) fn not_found(message: impl Into<String>) -> anyhow::Error {
    stop(Exit::NotFound, message)
}

fn stop(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Stop {
        exit,
        message: message.into(),
    })
}

/// Says on standard error what happened and what to do, and gives the exit code.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever read our output has seen enough.
    let broken_pipe = |cause: &&(dyn StdError + 'static)| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(|cause| broken_pipe(&cause)) && client_error(error).is_none() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "{} {error:#}",
        console::style("error:").red().bold().for_stderr()
    );
    if let Some(hint) = client_error(error).and_then(hint) {
        eprintln!("{} {hint}", console::style("hint:").cyan().for_stderr());
    }
    ExitCode::from(classify(error) as u8)
}

fn client_error(error: &anyhow::Error) -> Option<&Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn classify(error: &anyhow::Error) -> Exit {
    if let Some(stop) = error.chain().find_map(|cause| cause.downcast_ref::<Stop>()) {
        return stop.exit;
    }
    let Some(error) = client_error(error) else {
        return Exit::Failure;
    };
    match error {
        Error::Transport { .. } => Exit::Unavailable,
        Error::Invalid(_) => Exit::Usage,
        _ => match error.status() {
            Some(404) => Exit::NotFound,
            Some(409 | 412 | 422) => Exit::Conflict,
            Some(401 | 403) => Exit::Unauthorized,
            Some(429 | 502..=504) => Exit::Unavailable,
            _ => Exit::Failure,
        },
    }
}

fn hint(error: &Error) -> Option<&'static str> {
    if matches!(error, Error::Transport { .. }) {
        return Some(
            "is the server running? Start one with `quartz serve`, or name another with --url or \
             QUARTZ_URL",
        );
    }
    match error.code()? {
        ErrorCode::ApiKeyMissing => Some(
            "give a key with --api-key or QUARTZ_API_KEY; the server prints one when it starts for \
             the first time",
        ),
        ErrorCode::ApiKeyInvalid => {
            Some("check --api-key or QUARTZ_API_KEY: the key must be of this server, and whole")
        }
        ErrorCode::NamespaceNotFound => {
            Some("`quartz namespace list` shows what there is; the first write creates a namespace")
        }
        ErrorCode::NamespaceConflict => {
            Some("`quartz namespace describe` shows the configuration it has")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use quartz_client::Problem;

    use super::*;

    fn api(code: ErrorCode) -> anyhow::Error {
        let problem = Problem {
            type_uri: String::new(),
            title: code.title().into(),
            status: code.status(),
            code,
            detail: "No.".into(),
            path: None,
            request_id: "r".into(),
        };
        anyhow::Error::new(Error::Api {
            problem: Box::new(problem),
            retry_after: None,
        })
    }

    #[test]
    fn every_error_has_its_code() {
        for (code, exit) in [
            (ErrorCode::RecordNotFound, Exit::NotFound),
            (ErrorCode::PreconditionFailed, Exit::Conflict),
            (ErrorCode::NamespaceConflict, Exit::Conflict),
            (ErrorCode::ApiKeyMissing, Exit::Unauthorized),
            (ErrorCode::TooManyRequests, Exit::Unavailable),
            (ErrorCode::StorageUnavailable, Exit::Unavailable),
            (ErrorCode::StorageFull, Exit::Failure),
            (ErrorCode::FilterInvalid, Exit::Failure),
        ] {
            assert_eq!(classify(&api(code)), exit);
            let wrapped = Err::<(), _>(api(code)).context("while trying").unwrap_err();
            assert_eq!(classify(&wrapped), exit);
        }
        assert_eq!(classify(&usage("no")), Exit::Usage);
        assert_eq!(classify(&anyhow::anyhow!("no")), Exit::Failure);
    }

    #[test]
    fn messages_are_said_once() {
        let error = api(ErrorCode::RecordNotFound);
        assert_eq!(format!("{error:#}"), "No. (record_not_found)");
    }
}
