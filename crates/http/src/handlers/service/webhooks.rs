use axum::Extension;
use http::{StatusCode, Uri};
use quartz_api::{
    CreateWebhook, Delivery, DeliveryList, DeliveryStatus, Limits, RotateWebhook, Webhook,
    WebhookList, WebhookSecret,
};
use quartz_service::{
    AccountId, Hook, NewSecret, NewWebhook,
    rows::delivery::StoredDelivery,
    webhook::{EVENTS, secret_text},
};

use super::{account_of, check_label, check_text};
use crate::{
    auth::Caller,
    cursor::List,
    deliver::{event_to_wire, message_id},
    extract::{DeliveryPath, Json, NumberPath, QueryString, WalkParams, page_limit},
    handlers::Reply,
    openapi::{DeliveryParams, IdParams, refuses},
    problem::{Failure, Result, from_service},
    state::App,
};

refuses!(ListRefusals:);
refuses!(OneRefusals: InvalidRequest WebhookNotFound);
refuses!(CreateRefusals: InvalidRequest LimitExceeded BodyTooLarge UnsupportedMediaType);
refuses!(ChangeRefusals: InvalidRequest LimitExceeded WebhookNotFound BodyTooLarge UnsupportedMediaType);
refuses!(DeliveriesRefusals: InvalidRequest LimitExceeded CursorInvalid WebhookNotFound);
refuses!(ReplayRefusals: InvalidRequest WebhookNotFound DeliveryNotFound Conflict);

/// List webhooks
///
/// Ascending by number, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "list_webhooks",
    tag = "Webhooks",
    responses((status = 200, description = "All webhooks.", body = WebhookList), ListRefusals),
)]
pub(crate) async fn list_webhooks(Extension(app): Extension<App>, caller: Caller) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let webhooks = account.webhooks().iter().map(to_wire).collect();
    Reply::json(&WebhookList { webhooks })
}

/// Describe a webhook
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}",
    operation_id = "get_webhook",
    tag = "Webhooks",
    params(IdParams),
    responses((status = 200, description = "The webhook without its secret.", body = Webhook), OneRefusals),
)]
pub(crate) async fn get_webhook(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    Reply::json(&to_wire(&account.webhook(number).map_err(from_service)?))
}

/// Create a webhook
///
/// Events of the account are sent there from now on, signed by the Standard Webhooks scheme with a
/// secret that is shown this once.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "create_webhook",
    tag = "Webhooks",
    request_body(content = CreateWebhook, example = json!({
        "url": "https://example.com/hooks/quartz", "events": ["budget.80", "budget.100"],
    })),
    responses((status = 201, description = "The webhook with its secret.", body = WebhookSecret), CreateRefusals),
)]
pub(crate) async fn create_webhook(
    Extension(app): Extension<App>,
    caller: Caller,
    Json { value: request, .. }: Json<CreateWebhook>,
) -> Result<Reply> {
    let new = parse(request, &app.limits)?;
    let account = account_of(&app, &caller).await?;
    let created = account.create_webhook(&caller.by(), new).await;
    let created = secret_to_wire(&created.map_err(from_service)?);
    Ok(Reply::json(&created)?.status(StatusCode::CREATED))
}

/// Delete a webhook
///
/// With the log of its deliveries; what is on its way is not sent any more.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{id}",
    operation_id = "delete_webhook",
    tag = "Webhooks",
    params(IdParams),
    responses((status = 204, description = "It is gone."), OneRefusals),
)]
pub(crate) async fn delete_webhook(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let deleted = account.delete_webhook(&caller.by(), number).await;
    deleted.map_err(from_service)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Rotate a webhook's secret
///
/// For `grace_seconds` messages carry both signatures.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/rotate",
    operation_id = "rotate_webhook",
    tag = "Webhooks",
    params(IdParams),
    request_body(content = RotateWebhook, example = json!({"grace_seconds": 3600})),
    responses((status = 200, description = "The webhook with its new secret.", body = WebhookSecret), ChangeRefusals),
)]
pub(crate) async fn rotate_webhook(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
    Json { value: request, .. }: Json<RotateWebhook>,
) -> Result<Reply> {
    let most = app.limits.rotation_grace_seconds;
    if request.grace_seconds > most {
        let failure = Failure::limit("grace_seconds", "rotation_grace_seconds", most);
        return Err(failure.at("grace_seconds"));
    }
    let account = account_of(&app, &caller).await?;
    let grace_millis = request.grace_seconds * 1000;
    let by = caller.by();
    let rotated = account.rotate_webhook(&by, number, grace_millis).await;
    Reply::json(&secret_to_wire(&rotated.map_err(from_service)?))
}

/// Test a webhook
///
/// Sends it an event of type `webhook.test`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/test",
    operation_id = "test_webhook",
    tag = "Webhooks",
    params(IdParams),
    responses((status = 202, description = "It is on its way.", body = Delivery), OneRefusals),
)]
pub(crate) async fn test_webhook(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let sent = account.test_webhook(&caller.by(), number).await;
    let delivery = delivery(account.id(), sent.map_err(from_service)?);
    Ok(Reply::json(&delivery)?.status(StatusCode::ACCEPTED))
}

/// List deliveries
///
/// Of one webhook, oldest first: what is on its way, and what became of the last 10,000 events.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{id}/deliveries",
    operation_id = "list_deliveries",
    tag = "Webhooks",
    params(IdParams, WalkParams),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList), DeliveriesRefusals),
)]
pub(crate) async fn list_deliveries(
    Extension(app): Extension<App>,
    caller: Caller,
    NumberPath(number): NumberPath,
    QueryString(params): QueryString<WalkParams>,
) -> Result<Reply> {
    let limit = page_limit(params.limit, &app.limits)?;
    let webhook = number.to_string();
    let list = List {
        endpoint: "deliveries",
        namespace: "",
        prefix: &webhook,
    };
    let after =
        match &params.cursor {
            None => None,
            Some(cursor) => Some(list.after(cursor)?.parse().map_err(|_| {
                Failure::invalid("the cursor does not name a delivery").at("cursor")
            })?),
        };
    let account = account_of(&app, &caller).await?;
    let page = account.deliveries(number, after, limit).await;
    let page = page.map_err(from_service)?;
    let deliveries = page.deliveries.into_iter();
    Reply::json(&DeliveryList {
        deliveries: deliveries.map(|one| delivery(account.id(), one)).collect(),
        next_cursor: page.next.map(|last| list.cursor(&last.to_string())),
    })
}

/// Replay a delivery
///
/// Sends the event once more, under the same `webhook-id`.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{id}/deliveries/{event}/replay",
    operation_id = "replay_delivery",
    tag = "Webhooks",
    params(DeliveryParams),
    responses((status = 202, description = "It is on its way.", body = Delivery), ReplayRefusals),
)]
pub(crate) async fn replay_delivery(
    Extension(app): Extension<App>,
    caller: Caller,
    DeliveryPath { webhook, event }: DeliveryPath,
) -> Result<Reply> {
    let account = account_of(&app, &caller).await?;
    let replayed = account.replay(&caller.by(), webhook, event).await;
    let delivery = delivery(account.id(), replayed.map_err(from_service)?);
    Ok(Reply::json(&delivery)?.status(StatusCode::ACCEPTED))
}

fn parse(request: CreateWebhook, limits: &Limits) -> Result<NewWebhook> {
    let most = limits.webhook_url_bytes;
    check_label("url", &request.url, "webhook_url_bytes", most)?;
    let wrong = || {
        let form = "url is https://host/path, without user, password or fragment";
        Failure::invalid(form).at("url")
    };
    let url: Uri = request.url.parse().map_err(|_| wrong())?;
    let is_web = matches!(url.scheme_str(), Some("https" | "http"));
    let host = url.authority().map(http::uri::Authority::as_str);
    let plain = host.is_some_and(|host| !host.is_empty() && !host.contains('@'));
    if !is_web || !plain || request.url.contains('#') {
        return Err(wrong());
    }
    if request.events.len() > limits.key_scopes {
        return Err(Failure::limit("events", "key_scopes", limits.key_scopes).at("events"));
    }
    for (at, event) in request.events.iter().enumerate() {
        if !EVENTS.contains(&&**event) {
            let detail = format!(
                "there is no event {event:?}; there are {}",
                EVENTS.join(", ")
            );
            return Err(Failure::invalid(detail).at(format!("events[{at}]")));
        }
    }
    check_text(
        "description",
        &request.description,
        "description_bytes",
        limits.description_bytes,
    )?;
    Ok(NewWebhook {
        url: request.url,
        events: request.events,
        description: request.description,
    })
}

fn to_wire(hook: &Hook) -> Webhook {
    let stored = &hook.stored;
    Webhook {
        id: hook.number,
        url: stored.url.clone(),
        events: stored.events.clone(),
        description: stored.description.clone(),
        created_at: stored.created_at,
        created_by: stored.created_by.clone(),
    }
}

fn secret_to_wire(new: &NewSecret) -> WebhookSecret {
    WebhookSecret {
        secret: secret_text(&new.secret),
        webhook: to_wire(&new.hook),
        former_until: new.former_until,
    }
}

fn delivery(account: AccountId, (number, stored): (u64, StoredDelivery)) -> Delivery {
    let status = match (stored.next_at, stored.delivered_at) {
        (Some(_), _) => DeliveryStatus::Pending,
        (None, Some(_)) => DeliveryStatus::Delivered,
        (None, None) => DeliveryStatus::Failed,
    };
    Delivery {
        id: number,
        message_id: message_id(account, number),
        status,
        attempts: stored.attempts,
        answer: Some(stored.answer).filter(|answer| !answer.is_empty()),
        tried_at: stored.tried_at,
        next_at: stored.next_at,
        delivered_at: stored.delivered_at,
        event: event_to_wire(account, &stored.event),
    }
}
