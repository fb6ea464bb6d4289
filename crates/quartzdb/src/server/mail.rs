//! Mail by SMTP.

use std::{str::FromStr, sync::Arc, time::Duration};

use anyhow::Context;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use quartz_core::store::BoxFuture;
use quartz_service::{Letter, Mail};
use serde::Deserialize;
use tokio::sync::Semaphore;

/// Longest wait for the mail server.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Pauses before a letter is tried again.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
];
/// Letters that are being sent at the same time.
const AT_ONCE: usize = 4;

/// The address of a mail server, which may hold a password and so does not print itself.
#[derive(Clone, Deserialize)]
pub(crate) struct SmtpUrl(String);

impl FromStr for SmtpUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmtpUrl(…)")
    }
}

/// Sends letters to a mail server.
pub(super) struct Smtp(Arc<Sender>);

struct Sender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    places: Semaphore,
}

impl Smtp {
    /// `from` is an address, with or without a name. Connects with the first letter.
    pub(super) fn new(url: &SmtpUrl, from: &str) -> anyhow::Result<Self> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url.0)
            .ok()
            .context("--smtp-url reads smtp[s]://[user:password@]host[:port][?tls=required]")?
            .timeout(Some(TIMEOUT))
            .build();
        let from = from
            .parse()
            .with_context(|| format!("--mail-from: {from:?} is no e-mail address"))?;
        Ok(Self(Arc::new(Sender {
            transport,
            from,
            places: Semaphore::new(AT_ONCE),
        })))
    }
}

impl Mail for Smtp {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), String>> {
        let sender = Arc::clone(&self.0);
        Box::pin(async move {
            let message = sender.message(letter).map_err(|error| error.to_string())?;
            let mut pauses = PAUSES.iter();
            loop {
                let place = sender.places.acquire().await;
                let sent = sender.transport.send(message.clone()).await;
                drop(place);
                let Err(error) = sent else { return Ok(()) };
                match pauses.next() {
                    // What the mail server refuses for good it refuses again.
                    Some(pause) if !error.is_permanent() => {
                        tracing::warn!(%error, "a mail was not taken; it will be tried again");
                        tokio::time::sleep(*pause).await;
                    }
                    _ => return Err(error.to_string()),
                }
            }
        })
    }
}

impl Sender {
    fn message(&self, letter: Letter) -> anyhow::Result<Message> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(letter.to.parse()?)
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text)?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_told() {
        let url = |text: &str| text.parse::<SmtpUrl>().unwrap();
        let good = url("smtps://user:secret@mail.example:465");
        assert!(!format!("{good:?}").contains("secret"));
        for from in ["db@example.com", "QuartzDB <db@example.com>"] {
            assert!(Smtp::new(&good, from).is_ok(), "{from}");
        }
        assert!(Smtp::new(&good, "nobody").is_err());
        let wrong = Smtp::new(&url("ftp://user:secret@mail.example"), "db@example.com");
        let wrong = wrong.err().unwrap();
        assert!(!format!("{wrong:?}").contains("secret"), "{wrong:?}");
    }

    #[tokio::test]
    async fn no_letter_has_a_header_that_was_put_in() {
        let smtp = Smtp::new(&"smtp://127.0.0.1:1".parse().unwrap(), "db@example.com").unwrap();
        let letter = |to: &str, subject: &str| Letter {
            to: to.into(),
            subject: subject.into(),
            text: "x".into(),
        };
        let message = smtp
            .0
            .message(letter("a@b.c", "x\r\nBcc: all@b.c"))
            .unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        assert!(!text.contains("\r\nBcc:"), "{text}");
        assert!(
            smtp.0
                .message(letter("a@b.c\r\nBcc: all@b.c", "x"))
                .is_err()
        );
    }
}
