use std::{future::IntoFuture, str::Utf8Error, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use quartz_api::{Durability, ErrorCode, IDEMPOTENCY_KEY, MIN_VERSION, VERSION};
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, ETAG},
};
use serde::de::DeserializeOwned;

use crate::{Client, Error, Result, call::Call, transport::Answer};

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes, as they were put.
    pub bytes: Bytes,
    /// Their content type.
    pub content_type: String,
    /// Number of the write that made the record what it is.
    pub version: u64,
}

impl Value {
    /// The value as text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.bytes)
    }

    /// The value, parsed as JSON.
    ///
    /// # Errors
    /// If it is not JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.bytes)
    }
}

/// A stored value without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueInfo {
    /// Bytes of the value.
    pub size: u64,
    /// Its content type.
    pub content_type: String,
    /// Number of the write that made the record what it is.
    pub version: u64,
}

/// What became of a value that was read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It still has the version asked about.
    No,
    /// There is another one.
    Yes(Value),
    /// There is none any more.
    Gone,
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version the record has now.
    pub version: u64,
    /// Whether there was no such value before.
    pub created: bool,
}

/// A value to store, from [`Namespace::put`](crate::Namespace::put): `.await` sends it.
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct Put {
    call: Call,
    value: Bytes,
}

/// A value to read, from [`Namespace::get`](crate::Namespace::get): `.await` sends the request.
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct Get {
    call: Call,
}

/// A record to delete by key, from [`Namespace::delete_key`](crate::Namespace::delete_key).
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct DeleteKey {
    call: Call,
}

macro_rules! conditional_write {
    ($call:ident) => {
        impl $call {
            /// Only if the stored record has this version.
            pub fn if_version(mut self, version: u64) -> Self {
                self.call.header("if-match", &format!("\"{version}\""));
                self
            }

            /// Only if the record is there.
            pub fn if_exists(mut self) -> Self {
                self.call.header("if-match", "*");
                self
            }

            /// What the write promises before it answers; [`Durability::Disk`] if not said.
            pub fn durability(mut self, durability: Durability) -> Self {
                self.call.durability(durability);
                self
            }

            /// A repeat with this key within 24 hours gets the first answer again.
            pub fn idempotency_key(mut self, key: &str) -> Self {
                self.call.header(IDEMPOTENCY_KEY, key);
                self
            }
        }
    };
}

conditional_write!(Put);
conditional_write!(DeleteKey);

impl Put {
    pub(crate) fn new(client: Client, url: Result<Url>, value: Bytes) -> Self {
        Self {
            call: Call::new(client, Method::PUT, url),
            value,
        }
    }

    /// The value's content type.
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.call.header("content-type", content_type);
        self
    }

    /// Time until the record disappears, in whole seconds.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.call.query("ttl", &ttl.as_secs().to_string());
        self
    }

    /// Only if there is no such record.
    pub fn if_absent(mut self) -> Self {
        self.call.header("if-none-match", "*");
        self
    }
}

impl IntoFuture for Put {
    type Output = Result<Written>;
    type IntoFuture = BoxFuture<'static, Result<Written>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { mut call, value } = self;
        guard_condition(&mut call);
        Box::pin(async move {
            let answer = send(call, value).await?;
            Ok(Written {
                version: answer.number(ETAG.as_str())?,
                created: answer.status == StatusCode::CREATED,
            })
        })
    }
}

impl DeleteKey {
    pub(crate) fn new(client: Client, url: Result<Url>) -> Self {
        Self {
            call: Call::new(client, Method::DELETE, url),
        }
    }
}

impl IntoFuture for DeleteKey {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'static, Result<u64>>;

    /// The version of the namespace after the delete.
    fn into_future(self) -> Self::IntoFuture {
        let mut call = self.call;
        guard_condition(&mut call);
        Box::pin(async move { send(call, Bytes::new()).await?.number(VERSION) })
    }
}

impl Get {
    pub(crate) fn new(client: Client, url: Result<Url>) -> Self {
        Self {
            call: Call::new(client, Method::GET, url),
        }
    }

    /// Answer only from this version of the namespace or a later one; else the call fails with
    /// [`VersionNotReached`](ErrorCode::VersionNotReached).
    pub fn min_version(mut self, version: u64) -> Self {
        self.call.header(MIN_VERSION, &version.to_string());
        self
    }

    /// Reads size, type and version only.
    ///
    /// # Errors
    /// As for every call; a record that is not there is `None`.
    pub async fn info(mut self) -> Result<Option<ValueInfo>> {
        self.call.method = Method::HEAD;
        let answer = match send(self.call, Bytes::new()).await {
            Ok(answer) => answer,
            // An answer to HEAD has no body that could hold a code.
            Err(Error::Status { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(ValueInfo {
            size: answer.number("content-length")?,
            content_type: content_type(&answer),
            version: answer.number(ETAG.as_str())?,
        }))
    }

    /// Reads the value only if it is not the one with this version.
    ///
    /// # Errors
    /// As for every call.
    pub async fn unless_version(mut self, version: u64) -> Result<Changed> {
        let etag = format!("\"{version}\"");
        self.call.header("if-none-match", &etag);
        match found(send(self.call, Bytes::new()).await)? {
            None => Ok(Changed::Gone),
            Some(answer) if answer.status == StatusCode::NOT_MODIFIED => Ok(Changed::No),
            Some(answer) => value(answer).map(Changed::Yes),
        }
    }
}

impl IntoFuture for Get {
    type Output = Result<Option<Value>>;
    type IntoFuture = BoxFuture<'static, Result<Option<Value>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            found(send(self.call, Bytes::new()).await)?
                .map(value)
                .transpose()
        })
    }
}

/// A plain put or delete may be repeated as it is; a conditional one would fail on its own success.
fn guard_condition(call: &mut Call) {
    if call.headers.contains_key("if-match") || call.headers.contains_key("if-none-match") {
        call.ensure_idempotent();
    }
}

async fn send(call: Call, body: Bytes) -> Result<Answer> {
    let client = call.client.clone();
    let outgoing = call.into_outgoing(body)?;
    client.transport.send(&outgoing).await
}

fn found(answer: Result<Answer>) -> Result<Option<Answer>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some(ErrorCode::RecordNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn value(answer: Answer) -> Result<Value> {
    Ok(Value {
        content_type: content_type(&answer),
        version: answer.number(ETAG.as_str())?,
        bytes: answer.body,
    })
}

fn content_type(answer: &Answer) -> String {
    let value = answer.headers.get(CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream")
        .to_owned()
}
