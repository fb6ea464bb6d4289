use std::{sync::Arc, time::Duration};

use quartz_api::NamespaceList;
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
    redirect,
};

use crate::{Error, List, Namespace, Result, tls, transport::Transport};

/// A connection to a QuartzDB server. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
}

impl Client {
    /// Starts a client for the server at `url`, e.g. `http://127.0.0.1:6464`.
    #[must_use]
    pub fn builder(url: &str) -> Builder {
        Builder {
            url: url.to_owned(),
            api_key: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            retries: 4,
            user_agent: concat!("quartz-client-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// A namespace by name. Nothing is sent: the first write creates it.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Namespace {
        Namespace::new(self.clone(), name)
    }

    /// The namespaces, ascending by name.
    pub fn namespaces(&self) -> List<NamespaceList> {
        List::new(self.clone(), self.transport.url(&["v1", "namespaces"]))
    }

    /// The server's address, as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        self.transport.base().trim_end_matches('/')
    }
}

/// Options of a [`Client`].
#[derive(Clone)]
pub struct Builder {
    url: String,
    api_key: Option<String>,
    timeout: Duration,
    connect_timeout: Duration,
    retries: usize,
    user_agent: String,
}

impl Builder {
    /// The key every request carries.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Longest wait for one attempt of a request, 30 seconds by default. For exports it is the
    /// longest silence; imports have no limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Longest wait for a connection, 5 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How often a request is repeated after 429, 503 or a broken connection, 4 by default.
    #[must_use]
    pub fn retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// What the client calls itself, for the server's logs.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the URL or the key cannot be used.
    pub fn build(self) -> Result<Client> {
        let url = self.base()?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.api_key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                Error::Invalid("the API key has characters that no key has: copy it again".into())
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(url.scheme() == "https")?)
            .redirect(redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .default_headers(headers)
            .user_agent(self.user_agent)
            .build()
            .map_err(|error| Error::Invalid(format!("the client cannot be set up: {error}")))?;
        let transport = Transport::new(http, url, self.timeout, self.retries);
        Ok(Client {
            transport: Arc::new(transport),
        })
    }

    fn base(&self) -> Result<Url> {
        let invalid = |why: &dyn std::fmt::Display| {
            Error::Invalid(format!(
                "{:?} is not the URL of a server: {why}; it looks like http://127.0.0.1:6464",
                self.url
            ))
        };
        let url = Url::parse(&self.url).map_err(|error| invalid(&error))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(invalid(&"it begins with http:// or https://")),
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
