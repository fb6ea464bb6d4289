//! Messages to webhooks: an event as JSON, signed, on its way by the host's [`Courier`].

use futures::{StreamExt as _, stream};
use quartz_api::Event;
use quartz_core::store::StoreError;
use quartz_service::{
    Account, AccountId, Attempt, Courier, Message, Parcel,
    calendar::rfc3339,
    rows::delivery::{Datum, Event as StoredEvent},
    webhook::sign,
};
use serde_json::Value;

/// Sends up to `most` messages of an account that are due, at the same time, and notes what became of
/// them. The host calls it for each of [`with_due_messages`](quartz_service::Accounts::with_due_messages),
/// once at a time for an account.
///
/// # Errors
/// When the store fails; messages that were sent come once more.
pub async fn deliver(
    account: &Account,
    courier: &dyn Courier,
    now_millis: u64,
    most: usize,
) -> Result<(), StoreError> {
    let messages = account.due_messages(most).await?;
    let id = account.id();
    let sends = messages.into_iter().map(|message| async move {
        let answer = match parcel(id, &message, now_millis) {
            Ok(parcel) => courier.send(parcel).await,
            Err(why) => Err(why),
        };
        Attempt {
            webhook: message.webhook,
            number: message.number,
            due_at: message.due_at,
            taken: matches!(answer, Ok(200..=299)),
            answer: answer.map_or_else(|why| why, |status| status.to_string()),
        }
    });
    let attempts: Vec<_> = stream::iter(sends).buffer_unordered(most).collect().await;
    match attempts.is_empty() {
        true => Ok(()),
        false => account.note_attempts(&attempts).await,
    }
}

fn parcel(account: AccountId, message: &Message, now_millis: u64) -> Result<Parcel, String> {
    let body = serde_json::to_vec(&event_to_wire(account, &message.event));
    let body = body.map_err(|error| error.to_string())?;
    let (id, seconds) = (message_id(account, message.number), now_millis / 1000);
    let signature =
        sign(&message.secrets, &id, seconds, &body).map_err(|error| error.to_string())?;
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ];
    Ok(Parcel {
        url: message.url.clone(),
        headers,
        body,
    })
}

/// The `webhook-id` of an event: the same however often it is sent.
pub(crate) fn message_id(account: AccountId, number: u64) -> String {
    format!("evt_{account}_{number}")
}

/// The event as it is sent.
pub(crate) fn event_to_wire(account: AccountId, event: &StoredEvent) -> Event {
    let data = event.data.iter().map(|(name, datum)| {
        let value = match datum {
            Datum::Number(number) => Value::from(*number),
            Datum::Text(text) => Value::from(text.as_str()),
        };
        (name.clone(), value)
    });
    Event {
        kind: event.kind.clone(),
        timestamp: rfc3339(event.at),
        account: account.to_string(),
        data: data.collect(),
    }
}
