//! Mail by an HTTP API: Resend's, which others offer too.

use quartz_core::store::BoxFuture;
use quartz_service::{Letter, Mail};
use send_wrapper::SendWrapper;
use serde_json::json;

use crate::fetch;

/// Sends each letter as a request: `POST` of `from`, `to`, `subject` and `text` as JSON.
#[derive(Clone)]
pub(crate) struct HttpMail {
    /// The API's address.
    pub(crate) url: String,
    /// What it is asked with.
    pub(crate) key: String,
    /// Sender, as an address or `Name <address>`.
    pub(crate) from: String,
}

impl Mail for HttpMail {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), String>> {
        let mail = self.clone();
        Box::pin(SendWrapper::new(async move { mail.post(&letter).await }))
    }
}

impl HttpMail {
    async fn post(&self, letter: &Letter) -> Result<(), String> {
        let body = json!({
            "from": self.from,
            "to": [letter.to],
            "subject": letter.subject,
            "text": letter.text,
        });
        let key = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", &key[..]),
            ("content-type", "application/json"),
        ];
        let answered = fetch::post(&self.url, &headers, body.to_string().as_bytes()).await;
        match answered.map_err(|why| format!("the mail API did not answer: {why}"))? {
            200..=299 => Ok(()),
            status => Err(format!("the mail API answered {status}")),
        }
    }
}
