use std::{env, future::IntoFuture, pin::Pin, time::Duration};

use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde_json::Value;

use crate::Answer;

/// Longer than any request of the suite takes on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(40);

/// The server under test.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    key: String,
}

impl Api {
    /// The server that `QUARTZ_URL` and `QUARTZ_API_KEY` name.
    ///
    /// # Panics
    /// If one of them is not set: a suite that tests nothing must not look green.
    #[must_use]
    pub fn from_env() -> Self {
        let (Ok(base), Ok(key)) = (env::var("QUARTZ_URL"), env::var("QUARTZ_API_KEY")) else {
            panic!(
                "QUARTZ_URL and QUARTZ_API_KEY must name the server under test: \
                 run `cargo xtask conformance`, which starts one."
            );
        };
        // Fails only if another client of this process has installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("an HTTP client");
        Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            key,
        }
    }

    /// The same server with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// The key of the suite.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Any request. The path is sent as it is, percent-encoding included.
    pub fn call(&self, method: &str, path: impl Into<String>) -> Call {
        Call {
            api: self.clone(),
            method: Method::from_bytes(method.as_bytes()).expect("a method"),
            path: path.into(),
            headers: HeaderMap::new(),
            body: None,
            signed: true,
        }
    }

    /// A `GET`.
    pub fn get(&self, path: impl Into<String>) -> Call {
        self.call("GET", path)
    }
}

/// A request to be sent by `.await`.
#[derive(Clone, Debug)]
#[must_use = "a call is sent by `.await`"]
pub struct Call {
    api: Api,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    signed: bool,
}

impl Call {
    /// With a header, in any bytes that HTTP can carry.
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With a body of some content type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let value = HeaderValue::from_str(content_type).expect("a content type");
        self.headers.insert(CONTENT_TYPE, value);
        self.untyped_body(body)
    }

    /// With a body and no content type.
    pub fn untyped_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Without the API key.
    pub fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Sends it; an error means that no complete answer came.
    ///
    /// # Errors
    /// When the connection fails.
    ///
    /// # Panics
    /// When the answer breaks a rule that holds for every answer.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let request = self.describe();
        let url = format!("{}{}", self.api.base, self.path);
        let mut builder = self
            .api
            .client
            .request(self.method, url)
            .headers(self.headers);
        if self.signed {
            builder = builder.header(AUTHORIZATION, format!("Bearer {}", self.api.key));
        }
        if let Some(body) = self.body {
            builder = builder.body(body);
        }
        let response = builder.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await?.to_vec();
        Ok(Answer::new(request, status, headers, body))
    }

    fn describe(&self) -> String {
        let mut text = format!("{} {}", self.method, self.path);
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            text += &format!("\n{name}: {}", crate::answer::excerpt(&value));
        }
        if let Some(body) = &self.body {
            text += &format!("\n\n{}", crate::answer::excerpt_bytes(body));
        }
        text
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let request = self.describe();
        Box::pin(async move {
            match self.try_send().await {
                Ok(answer) => answer,
                Err(error) => panic!("no answer: {error:?}\n--- request\n{request}"),
            }
        })
    }
}
