use clap::Subcommand;
use futures::TryStreamExt;
use quartz_client::{
    CreateWebhook, Delivery, DeliveryStatus, RotateWebhook, Webhook, WebhookSecret,
};
use serde_json::json;

use super::{connect::Connect, format, namespace::confirm, output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the webhooks
    #[command(after_help = "Examples:\n  quartz webhook list\n  quartz webhook list --json")]
    List(ListArgs),
    /// Create a webhook; prints the secret that signs its messages once
    #[command(after_help = "\
Examples:
  quartz webhook create https://example.com/hooks/quartz
  quartz webhook create https://example.com/hooks/quartz --events budget.80,budget.100
  quartz webhook create https://example.com/hooks/quartz --description 'pages Ann'")]
    Create(CreateArgs),
    /// Show a webhook
    #[command(after_help = "Examples:\n  quartz webhook describe 1")]
    Describe(NumberArgs),
    /// Delete a webhook with the log of its deliveries
    #[command(after_help = "Examples:\n  quartz webhook delete 1\n  quartz webhook delete 1 --yes")]
    Delete(DeleteArgs),
    /// Give a webhook a new secret; prints it once
    #[command(after_help = "\
Examples:
  quartz webhook rotate 1
  quartz webhook rotate 1 --grace 3600       for an hour messages carry both signatures")]
    Rotate(RotateArgs),
    /// Send a webhook an event to try the way
    #[command(after_help = "Examples:\n  quartz webhook test 1\n  quartz webhook deliveries 1")]
    Test(NumberArgs),
    /// List what was sent to a webhook, what became of it, and what is on its way, oldest first
    #[command(after_help = "\
Examples:
  quartz webhook deliveries 1
  quartz webhook deliveries 1 --all --json   one JSON object a line")]
    Deliveries(DeliveriesArgs),
    /// Send an event to a webhook once more
    #[command(after_help = "Examples:\n  quartz webhook replay 1 42")]
    Replay(ReplayArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// Where to, https://…; plain http://… only into networks that the server's operator allows
    address: String,
    /// Types of events that it gets; all if not given
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    events: Vec<String>,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct NumberArgs {
    /// Number of the webhook
    webhook: u32,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeleteArgs {
    /// Number of the webhook
    webhook: u32,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct RotateArgs {
    /// Number of the webhook
    webhook: u32,
    /// How long the secret before still signs beside the new one, up to 30 days
    #[arg(long, default_value = "0", value_name = "SECONDS")]
    grace: u64,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeliveriesArgs {
    /// Number of the webhook
    webhook: u32,
    /// Most entries
    #[arg(long, short, default_value = "100", conflicts_with = "all")]
    limit: usize,
    /// No limit
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// Number of the webhook
    webhook: u32,
    /// Number of the event
    event: u64,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list(&args.connect).await,
        Command::Create(args) => create(args).await,
        Command::Describe(args) => {
            let webhook = args.connect.client()?.webhook(args.webhook).await?;
            show(&webhook, args.connect.json)
        }
        Command::Delete(args) => delete(args).await,
        Command::Rotate(args) => rotate(args).await,
        Command::Test(args) => {
            let sent = args.connect.client()?.test_webhook(args.webhook).await?;
            on_its_way(&sent, args.connect.json)
        }
        Command::Deliveries(args) => deliveries(args).await,
        Command::Replay(args) => {
            let client = args.connect.client()?;
            let sent = client.replay_delivery(args.webhook, args.event).await?;
            on_its_way(&sent, args.connect.json)
        }
    }
}

async fn list(connect: &Connect) -> anyhow::Result<()> {
    let webhooks = connect.client()?.webhooks().await?.webhooks;
    let headings = ["webhook", "url", "events", "description", "created"];
    output::rows(
        connect.json,
        "no webhooks yet",
        headings,
        &webhooks,
        |webhook| {
            [
                webhook.id.to_string(),
                webhook.url.clone(),
                events(webhook),
                webhook.description.clone(),
                format::moment(Some(webhook.created_at)),
            ]
        },
    )
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let new = CreateWebhook {
        url: args.address,
        events: args.events,
        description: args.description,
    };
    let created = args.connect.client()?.create_webhook(&new).await?;
    secret(&created, args.connect.json)
}

async fn delete(args: DeleteArgs) -> anyhow::Result<()> {
    let client = args.connect.client()?;
    if !args.yes {
        let webhook = client.webhook(args.webhook).await?;
        confirm(&format!("webhook {} to {}", webhook.id, webhook.url))?;
    }
    client.delete_webhook(args.webhook).await?;
    if args.connect.json {
        return output::json(&json!({"deleted": args.webhook}));
    }
    output::line(format_args!("deleted webhook {}", args.webhook))
}

async fn rotate(args: RotateArgs) -> anyhow::Result<()> {
    let wanted = RotateWebhook {
        grace_seconds: args.grace,
    };
    let client = args.connect.client()?;
    let rotated = client.rotate_webhook(args.webhook, &wanted).await?;
    secret(&rotated, args.connect.json)
}

async fn deliveries(args: DeliveriesArgs) -> anyhow::Result<()> {
    let limit = if args.all { usize::MAX } else { args.limit };
    let list = args.connect.client()?.deliveries(args.webhook);
    let mut stream = list.page_size(limit.clamp(1, 1000)).stream();
    let mut table = output::table(["event", "type", "status", "attempts", "answer", "next"]);
    for _ in 0..limit {
        let Some(delivery) = stream.try_next().await? else {
            break;
        };
        if args.connect.json {
            output::json_line(&delivery)?;
        } else {
            table.add_row(row(&delivery));
        }
    }
    if args.connect.json {
        return Ok(());
    }
    if table.is_empty() {
        return output::line("nothing was sent yet");
    }
    output::line(table)?;
    if stream.try_next().await?.is_some() {
        eprintln!("there is more: --limit or --all");
    }
    Ok(())
}

fn show(webhook: &Webhook, json: bool) -> anyhow::Result<()> {
    let rows = [
        ("url", webhook.url.clone()),
        ("events", events(webhook)),
        ("description", webhook.description.clone()),
        ("created", format::moment(Some(webhook.created_at))),
        ("created by", webhook.created_by.clone()),
    ];
    output::properties(json, webhook, ["webhook", &webhook.id.to_string()], rows)
}

fn secret(issued: &WebhookSecret, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(issued);
    }
    let id = issued.webhook.id.to_string();
    let former = issued.former_until.map(|until| ("signs", until));
    output::secret([("webhook", &id), ("secret", &issued.secret)], former)
}

fn on_its_way(delivery: &Delivery, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(delivery);
    }
    output::line(format_args!("event {} is on its way", delivery.id))
}

fn events(webhook: &Webhook) -> String {
    match webhook.events.is_empty() {
        true => "all".to_owned(),
        false => webhook.events.join(", "),
    }
}

fn row(delivery: &Delivery) -> [String; 6] {
    let status = match delivery.status {
        DeliveryStatus::Pending => "pending",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Failed => "failed",
    };
    [
        delivery.id.to_string(),
        delivery.event.kind.clone(),
        status.to_owned(),
        delivery.attempts.to_string(),
        delivery.answer.clone().unwrap_or_default(),
        format::moment(delivery.next_at),
    ]
}
