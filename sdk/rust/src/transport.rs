use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use quartz_api::Problem;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// A server that asks for a longer wait than this gets no second try: the caller decides.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Bytes of a foreign answer that an error quotes.
const EXCERPT_BYTES: usize = 200;

/// Sends requests, repeats those that may be, and turns refusals into errors.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
    retries: usize,
}

/// A request that can be sent more than once.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    url: String,
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|cause| Error::Decode {
            url: self.url.clone(),
            cause,
        })
    }

    /// A header that must be there, as the number it holds once quotes are taken off.
    pub(crate) fn number(&self, header: &str) -> Result<u64> {
        let value = self.headers.get(header).and_then(|v| v.to_str().ok());
        value
            .and_then(|text| text.trim_matches('"').parse().ok())
            .ok_or_else(|| Error::Decode {
                url: self.url.clone(),
                cause: serde::de::Error::custom(format_args!("header {header} has no number")),
            })
    }
}

impl Transport {
    pub(crate) fn new(http: reqwest::Client, base: Url, timeout: Duration, retries: usize) -> Self {
        Self {
            http,
            base,
            timeout,
            retries,
        }
    }

    pub(crate) fn base(&self) -> &str {
        self.base.as_str()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The server's URL with these path segments added, each escaped.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url> {
        let mut url = self.base.clone();
        for segment in segments {
            // URLs normalise these away, and the request would go somewhere else.
            if matches!(*segment, "" | "." | "..") {
                return Err(Error::Invalid(format!(
                    "{segment:?} cannot stand in a URL: use upsert, fetch and delete for such a key"
                )));
            }
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// Sends until there is an answer or no more tries. `Ok` is 2xx or 304.
    pub(crate) async fn send(&self, request: &Outgoing) -> Result<Answer> {
        let backoff = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(self.retries);
        (|| self.attempt(request))
            .retry(backoff)
            .when(Error::is_retryable)
            .adjust(|error, delay| match error.retry_after() {
                Some(wait) if wait > LONGEST_WAIT => None,
                Some(wait) => delay.map(|delay| wait + delay),
                None => delay,
            })
            .await
    }

    /// Sends once.
    pub(crate) async fn attempt(&self, request: &Outgoing) -> Result<Answer> {
        let url = request.url.as_str();
        let sent = self
            .http
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .timeout(self.timeout)
            .send();
        let response = sent.await.map_err(|error| Error::transport(url, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response
            .bytes()
            .await
            .map_err(|error| Error::transport(url, error))?;
        let answer = Answer {
            status,
            headers,
            body,
            url: url.to_owned(),
        };
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            Ok(answer)
        } else {
            Err(refusal(&answer))
        }
    }

    /// Sends once, with a body that may be a stream, and hands over the answer's body unread.
    pub(crate) async fn stream(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: reqwest::Body,
    ) -> Result<Response> {
        let name = url.as_str().to_owned();
        let sent = self.http.request(method, url).headers(headers).body(body);
        let response = sent
            .send()
            .await
            .map_err(|error| Error::transport(&name, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response
            .bytes()
            .await
            .map_err(|error| Error::transport(&name, error))?;
        Err(refusal(&Answer {
            status,
            headers,
            body,
            url: name,
        }))
    }
}

fn refusal(answer: &Answer) -> Error {
    let retry_after = answer
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    if let Ok(problem) = serde_json::from_slice::<Problem>(&answer.body) {
        return Error::Api {
            problem: Box::new(problem),
            retry_after,
        };
    }
    let start = &answer.body[..answer.body.len().min(EXCERPT_BYTES)];
    let mut body = String::from_utf8_lossy(start).trim().to_owned();
    if let Some(target) = answer.headers.get(reqwest::header::LOCATION) {
        body = format!("it redirects to {target:?}: use that URL");
    }
    Error::Status {
        status: answer.status.as_u16(),
        url: answer.url.clone(),
        body,
        retry_after,
    }
}
