use std::io::Read;

use clap::Subcommand;
use quartz_client::{ApiKey, CreateApiKey, IssuedKey, RotateApiKey, UpdateApiKey};
use quartz_service::key_text;
use serde_json::json;

use super::{connect::Connect, exit, format, namespace::confirm, output};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;
/// A longer text is no key.
const TEXT_BYTES_MAX: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the API keys, without their texts
    #[command(after_help = "Examples:\n  quartz key list\n  quartz key list --json")]
    List(ListArgs),
    /// Create an API key; prints its text once
    #[command(after_help = "\
Examples:
  quartz key create 'search front end' --role reader
  quartz key create 'search front end' --role reader --prefix app- --days 90
  quartz key create loader --role developer --address 10.0.0.0/8 --rate 100

It can do no more than the key that makes it. What is not said it inherits.")]
    Create(CreateArgs),
    /// Show an API key
    #[command(after_help = "Examples:\n  quartz key describe 7")]
    Describe(NumberArgs),
    /// Change the name of an API key, or where it may be used from
    #[command(after_help = "\
Examples:
  quartz key update 7 --name 'old front end'
  quartz key update 7 --address 10.0.0.0/8 --address 192.0.2.7
  quartz key update 7 --anywhere")]
    Update(UpdateArgs),
    /// Give an API key a new text; prints it once
    #[command(after_help = "\
Examples:
  quartz key rotate 7
  quartz key rotate 7 --grace 3600           for an hour both texts open")]
    Rotate(RotateArgs),
    /// End an API key, everywhere within five seconds
    #[command(after_help = "Examples:\n  quartz key revoke 7\n  quartz key revoke 7 --yes")]
    Revoke(RevokeArgs),
    /// Say whether a text is a well-formed key, and of which account; asks no server
    #[command(after_help = "\
Examples:
  quartz key check < key.txt
  pbpaste | quartz key check --json

The key comes by standard input, so that it is in no history and no list of processes. Exits with 5 if the \
text is no key: mistyped, cut off, or something else.")]
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// What people call it
    name: String,
    /// What it may do: owner, admin, developer, reader, auditor or billing, or one of the account's own
    #[arg(long)]
    role: String,
    /// Only namespaces that begin with this; may be repeated
    #[arg(long = "prefix", value_name = "PREFIX")]
    prefixes: Vec<String>,
    /// Only from this address or network; may be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Days until it ends; never if not given
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    days: Option<u64>,
    /// Requests a second that it may send, beside the rate of its account
    #[arg(long, value_name = "REQUESTS")]
    rate: Option<u32>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct NumberArgs {
    /// Number of the key
    key: u32,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
#[group(id = "changes", required = true, multiple = true, args = ["name", "addresses", "anywhere"])]
pub(super) struct UpdateArgs {
    /// Number of the key
    key: u32,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Only from this address or network; may be repeated, and replaces what was
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// From anywhere
    #[arg(long, conflicts_with = "addresses")]
    anywhere: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct RotateArgs {
    /// Number of the key
    key: u32,
    /// How long the text before still opens, up to 30 days
    #[arg(long, default_value = "0", value_name = "SECONDS")]
    grace: u64,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// Number of the key
    key: u32,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list(&args.connect).await,
        Command::Create(args) => create(args).await,
        Command::Describe(args) => {
            let key = args.connect.client()?.api_key(args.key).await?;
            show(&key, args.connect.json)
        }
        Command::Update(args) => update(args).await,
        Command::Rotate(args) => {
            let wanted = RotateApiKey {
                grace_seconds: args.grace,
            };
            let client = args.connect.client()?;
            let rotated = client.rotate_api_key(args.key, &wanted).await?;
            issued(&rotated, args.connect.json)
        }
        Command::Revoke(args) => revoke(args).await,
        Command::Check(args) => check(std::io::stdin().lock(), args.json),
    }
}

async fn list(connect: &Connect) -> anyhow::Result<()> {
    let keys = connect.client()?.api_keys().await?.keys;
    let headings = ["key", "name", "text", "role", "namespaces", "ends", "used"];
    output::rows(connect.json, "no keys yet", headings, &keys, |key| {
        [
            key.id.to_string(),
            key.name.clone(),
            format!("…{}", key.hint),
            key.role.clone(),
            namespaces(key),
            format::moment(key.expires_at),
            format::moment(key.last_used_at),
        ]
    })
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let new = CreateApiKey {
        name: args.name,
        role: args.role,
        prefixes: args.prefixes,
        addresses: args.addresses,
        expires_at: args.days.map(|days| format::now() + days * DAY_MILLIS),
        requests_per_second: args.rate,
    };
    let created = args.connect.client()?.create_api_key(&new).await?;
    issued(&created, args.connect.json)
}

async fn update(args: UpdateArgs) -> anyhow::Result<()> {
    let addresses = args.anywhere || !args.addresses.is_empty();
    let wanted = UpdateApiKey {
        name: args.name,
        addresses: addresses.then_some(args.addresses),
    };
    let client = args.connect.client()?;
    let key = client.update_api_key(args.key, &wanted).await?;
    show(&key, args.connect.json)
}

async fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    let client = args.connect.client()?;
    if !args.yes {
        let key = client.api_key(args.key).await?;
        confirm(&format!("key {} ({})", key.id, key.name))?;
    }
    client.revoke_api_key(args.key).await?;
    if args.connect.json {
        return output::json(&json!({"revoked": args.key}));
    }
    output::line(format_args!("revoked key {}", args.key))
}

fn check(input: impl Read, json: bool) -> anyhow::Result<()> {
    let mut text = String::new();
    let mut input = input.take(TEXT_BYTES_MAX);
    // Whatever is not text is no key either.
    let found = match input.read_to_string(&mut text) {
        Ok(_) => key_text::account(text.trim()).map_err(|fault| fault.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let account = found.map_err(|fault| exit::unauthorized(format!("not a key: {fault}")))?;
    if json {
        return output::json(&json!({"account": account.to_string()}));
    }
    output::line(format_args!("a well-formed key of account {account}"))
}

fn show(key: &ApiKey, json: bool) -> anyhow::Result<()> {
    let from = match key.addresses.is_empty() {
        true => "anywhere".to_owned(),
        false => key.addresses.join(", "),
    };
    let rate = key.requests_per_second;
    let rows = [
        ("name", key.name.clone()),
        ("text", format!("…{}", key.hint)),
        ("role", key.role.clone()),
        ("namespaces", namespaces(key)),
        ("from", from),
        (
            "requests a second",
            rate.map_or_else(|| "as the account".to_owned(), |rate| rate.to_string()),
        ),
        ("created", format::moment(Some(key.created_at))),
        ("created by", key.created_by.clone()),
        ("ends", format::moment(key.expires_at)),
        ("last used", format::moment(key.last_used_at)),
    ];
    output::properties(json, key, ["key", &key.id.to_string()], rows)
}

fn issued(issued: &IssuedKey, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(issued);
    }
    let id = issued.api_key.id.to_string();
    let former = issued.former_until.map(|until| ("opens", until));
    output::secret([("key", &id), ("text", &issued.key)], former)
}

fn namespaces(key: &ApiKey) -> String {
    match key.prefixes.is_empty() {
        true => "all".to_owned(),
        false => key
            .prefixes
            .iter()
            .map(|prefix| format!("{prefix}*"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
