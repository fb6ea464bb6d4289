use std::{future::IntoFuture, marker::PhantomData};

use futures::future::BoxFuture;
use quartz_api::{DURABILITY, Durability, IDEMPOTENCY_KEY, MIN_VERSION};
use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Client, Error, Result, transport::Outgoing};

/// A read with a JSON body that has not been sent yet: `.await` sends it.
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct Read<Q, A> {
    pub(crate) body: Q,
    pub(crate) call: Call,
    answer: PhantomData<fn() -> A>,
}

/// A write with a JSON body that has not been sent yet: `.await` sends it.
///
/// It carries an idempotency key of its own, so repeating it after a lost answer does nothing twice.
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct Write<Q, A> {
    pub(crate) body: Q,
    pub(crate) call: Call,
    answer: PhantomData<fn() -> A>,
}

impl<Q, A> Read<Q, A> {
    pub(crate) fn new(client: Client, url: Result<Url>, body: Q) -> Self {
        Self {
            body,
            call: Call::new(client, Method::POST, url),
            answer: PhantomData,
        }
    }

    /// Answer only from this version of the namespace or a later one; else the call fails with
    /// [`VersionNotReached`](crate::ErrorCode::VersionNotReached).
    pub fn min_version(mut self, version: u64) -> Self {
        self.call.header(MIN_VERSION, &version.to_string());
        self
    }
}

impl<Q, A> Write<Q, A> {
    pub(crate) fn new(client: Client, url: Result<Url>, body: Q) -> Self {
        Self {
            body,
            call: Call::new(client, Method::POST, url),
            answer: PhantomData,
        }
    }

    /// What the write promises before it answers; [`Durability::Disk`] if not said.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.call.durability(durability);
        self
    }

    /// A key of your own in place of the generated one: a repeat within 24 hours, even by another
    /// process, gets the first answer again.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.call.header(IDEMPOTENCY_KEY, key);
        self
    }
}

impl<Q, A> IntoFuture for Read<Q, A>
where
    Q: Serialize + Send + 'static,
    A: DeserializeOwned + Send + 'static,
{
    type Output = Result<A>;
    type IntoFuture = BoxFuture<'static, Result<A>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { body, call, .. } = self;
        Box::pin(async move { call.send_json(body).await })
    }
}

impl<Q, A> IntoFuture for Write<Q, A>
where
    Q: Serialize + Send + 'static,
    A: DeserializeOwned + Send + 'static,
{
    type Output = Result<A>;
    type IntoFuture = BoxFuture<'static, Result<A>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { body, mut call, .. } = self;
        call.ensure_idempotent();
        Box::pin(async move { call.send_json(body).await })
    }
}

/// What every call has: where it goes, its headers, and the first fault found while it was built.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) client: Client,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    url: Result<Url>,
}

impl Call {
    pub(crate) fn new(client: Client, method: Method, url: Result<Url>) -> Self {
        Self {
            client,
            method,
            headers: HeaderMap::new(),
            url,
        }
    }

    pub(crate) fn header(&mut self, name: &'static str, value: &str) {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(_) => self.fault(Error::Invalid(format!(
                "{name} cannot be {value:?}: headers take visible ASCII characters"
            ))),
        }
    }

    pub(crate) fn query(&mut self, name: &str, value: &str) {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, value);
        }
    }

    pub(crate) fn durability(&mut self, durability: Durability) {
        let word = match durability {
            Durability::Disk => "disk",
            Durability::Memory => "memory",
        };
        self.header(DURABILITY, word);
    }

    pub(crate) fn ensure_idempotent(&mut self) {
        if !self.headers.contains_key(IDEMPOTENCY_KEY) {
            self.header(IDEMPOTENCY_KEY, &Uuid::new_v4().to_string());
        }
    }

    /// JSON in a builder; a value that cannot be written is reported when the call is awaited.
    pub(crate) fn raw(&mut self, value: &impl Serialize) -> Option<Box<RawValue>> {
        match serde_json::value::to_raw_value(value) {
            Ok(raw) => Some(raw),
            Err(error) => {
                self.fault(Error::Invalid(format!("not a JSON value: {error}")));
                None
            }
        }
    }

    pub(crate) fn into_outgoing(self, body: impl Into<bytes::Bytes>) -> Result<Outgoing> {
        Ok(Outgoing {
            method: self.method,
            url: self.url?,
            headers: self.headers,
            body: body.into(),
        })
    }

    async fn send_json<A: DeserializeOwned>(mut self, body: impl Serialize) -> Result<A> {
        self.header("content-type", "application/json");
        let body = serde_json::to_vec(&body)
            .map_err(|error| Error::Invalid(format!("not a JSON value: {error}")))?;
        let client = self.client.clone();
        let outgoing = self.into_outgoing(body)?;
        client.transport.send(&outgoing).await?.json()
    }

    /// Sends a change that must not be done twice: it is not repeated, whatever comes of it.
    pub(crate) async fn send_json_once<A: DeserializeOwned>(
        mut self,
        body: &impl Serialize,
    ) -> Result<A> {
        self.header("content-type", "application/json");
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::Invalid(format!("not a JSON value: {error}")))?;
        let client = self.client.clone();
        let outgoing = self.into_outgoing(body)?;
        client.transport.attempt(&outgoing).await?.json()
    }

    /// The first fault is the one to report.
    fn fault(&mut self, error: Error) {
        if self.url.is_ok() {
            self.url = Err(error);
        }
    }
}
