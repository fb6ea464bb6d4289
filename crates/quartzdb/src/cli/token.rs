use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use quartz_service::token::{self, LIFE_SECONDS_MAX, Scope};
use serde_json::json;

use super::{connect::Connect, exit, output};

/// What the token is for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz token docs
  quartz token docs --filter '{\"user\": 7}' --seconds 600

The token is signed with the API key, which must not be the root key. It reads only; with a filter, it \
only searches, and every search finds only what the filter lets through. It ends with its key.")]
pub(super) struct Args {
    /// The one namespace
    namespace: String,
    /// Filter (JSON) that every search is subject to
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// How long it lives, up to a day
    #[arg(long, default_value = "900", value_name = "SECONDS")]
    seconds: u64,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let key = args.connect.api_key.as_deref().map(str::trim);
    let key = key.ok_or_else(|| exit::usage("a token is made from an API key: --api-key"))?;
    ensure!(
        (1..=LIFE_SECONDS_MAX).contains(&args.seconds),
        "a token lives 1 to {LIFE_SECONDS_MAX} seconds"
    );
    if let Some(filter) = &args.filter {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(filter);
        ensure!(
            parsed.is_ok_and(|filter| filter.is_object()),
            "the filter is not a JSON object"
        );
    }
    let number = args.connect.client()?.whoami().await?.key;
    let number = number.context("the root key makes no tokens: make an API key first")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let scope = Scope {
        namespace: args.namespace,
        filter: args.filter.unwrap_or_default().into(),
    };
    let ends_at = now + args.seconds;
    let token = token::make(key, number, ends_at, &scope)?;
    if args.connect.json {
        return output::json(&json!({"token": token, "ends_at": ends_at * 1000}));
    }
    output::line(token)
}
