use std::{error::Error as StdError, time::Duration};

use quartz_api::{ErrorCode, Problem};

/// What a call returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. The message says all there is to say, causes included.
///
/// ```
/// # use quartz_client::{Error, ErrorCode};
/// fn advice(error: &Error) -> &'static str {
///     match error.code() {
///         Some(ErrorCode::PreconditionFailed) => "someone else was faster: read again, then write",
///         _ if error.is_retryable() => "try again later",
///         _ => "do not repeat this request",
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused the request and says why.
    #[error("{}", describe(.problem))]
    Api {
        /// The error body.
        problem: Box<Problem>,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// An answer that is not from QuartzDB, for instance from a proxy in between.
    #[error("{url} answered {status} without an error body that this client knows{}", excerpt(.body))]
    Status {
        /// The HTTP status.
        status: u16,
        /// Where the request went.
        url: String,
        /// Start of the answer's body.
        body: String,
        /// How long the answer asks to wait.
        retry_after: Option<Duration>,
    },
    /// The server could not be reached, or the connection broke.
    #[error("no answer from {url}: {}", root(.cause.as_ref()))]
    Transport {
        /// Where the request went.
        url: String,
        /// What happened.
        cause: Box<dyn StdError + Send + Sync>,
    },
    /// The server answered something that this version of the client cannot read.
    #[error("the answer from {url} cannot be read: {cause}")]
    Decode {
        /// Where the request went.
        url: String,
        /// What is wrong with the answer.
        cause: serde_json::Error,
    },
    /// The request could not be put together; nothing was sent.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// The stable code, if the server gave one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api { problem, .. } => Some(problem.code),
            _ => None,
        }
    }

    /// The HTTP status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { problem, .. } => Some(problem.status),
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may succeed later. The client has already repeated it as often as
    /// its [`retries`](crate::Builder::retries) allow.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Api { problem, .. } => {
                problem.code == ErrorCode::Internal || may_pass(problem.status)
            }
            Self::Status { status, .. } => may_pass(*status),
            Self::Transport { .. } => true,
            Self::Decode { .. } | Self::Invalid(_) => false,
        }
    }

    /// How long the server asks to wait before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } | Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn transport(url: &str, error: reqwest::Error) -> Self {
        Self::Transport {
            url: url.to_owned(),
            cause: Box::new(error.without_url()),
        }
    }
}

/// Statuses that speak of the moment, not of the request.
fn may_pass(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

fn describe(problem: &Problem) -> String {
    let code = problem.code.as_str();
    match &problem.path {
        Some(path) => format!("{} (at {path}; {code})", problem.detail),
        None => format!("{} ({code})", problem.detail),
    }
}

fn excerpt(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(": {body}")
    }
}

/// The innermost cause; the ones around it only say that sending failed.
fn root<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
