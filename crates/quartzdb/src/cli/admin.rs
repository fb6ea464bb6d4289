use clap::Subcommand;
use futures::TryStreamExt;
use quartz_client::{Account, CreateAccount, Impersonate, UpdateAccount};

use super::{connect::Connect, format, output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the accounts
    #[command(after_help = "Examples:\n  quartz admin accounts\n  quartz admin accounts --json")]
    Accounts(ListArgs),
    /// Create an account; prints its owner's key once
    #[command(after_help = "\
Examples:
  quartz admin create 'Acme Incorporated'
  quartz admin create 'Acme Incorporated' --plan pay-as-you-go
  quartz admin create 'Acme Incorporated' --owner ann@example.com")]
    Create(CreateArgs),
    /// Let nobody into an account; nothing is lost
    #[command(after_help = "Examples:\n  quartz admin suspend a1b2c3d4e5f6 'unpaid since March'")]
    Suspend(SuspendArgs),
    /// End a suspension
    #[command(after_help = "Examples:\n  quartz admin resume a1b2c3d4e5f6")]
    Resume(AccountArgs),
    /// Put an account on another plan of the catalogue
    #[command(after_help = "Examples:\n  quartz admin plan a1b2c3d4e5f6 enterprise")]
    Plan(PlanArgs),
    /// Look into an account: a key that sees everything, changes nothing and ends soon
    #[command(after_help = "\
The account sees the key among its own and in its audit log, with the reason, and can revoke it.

Examples:
  quartz admin impersonate a1b2c3d4e5f6 'ticket 1234'
  quartz admin impersonate a1b2c3d4e5f6 'ticket 1234' --minutes 60")]
    Impersonate(ImpersonateArgs),
    /// What the account of the key has used: by day, namespace and API key
    #[command(after_help = "Examples:\n  quartz admin usage\n  quartz admin usage --json")]
    Usage(ListArgs),
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
    /// Name of a plan; the catalogue's default one if not given
    #[arg(long)]
    plan: Option<String>,
    /// E-mail address of somebody to invite as its owner
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct SuspendArgs {
    /// Id of the account
    account: String,
    /// Why, for its owner
    reason: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct AccountArgs {
    /// Id of the account
    account: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Id of the account
    account: String,
    /// Name of the plan
    plan: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, clap::Args)]
pub(super) struct ImpersonateArgs {
    /// Id of the account
    account: String,
    /// Why, for its owner
    reason: String,
    /// How long, up to an hour
    #[arg(long, default_value_t = 15)]
    minutes: u32,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Accounts(args) => accounts(&args.connect).await,
        Command::Create(args) => create(args).await,
        Command::Suspend(args) => {
            let wanted = UpdateAccount {
                suspended: Some(args.reason),
                ..UpdateAccount::default()
            };
            update(&args.connect, &args.account, wanted).await
        }
        Command::Resume(args) => {
            let wanted = UpdateAccount {
                suspended: Some(String::new()),
                ..UpdateAccount::default()
            };
            update(&args.connect, &args.account, wanted).await
        }
        Command::Plan(args) => {
            let wanted = UpdateAccount {
                plan: Some(args.plan),
                ..UpdateAccount::default()
            };
            update(&args.connect, &args.account, wanted).await
        }
        Command::Impersonate(args) => impersonate(args).await,
        Command::Usage(args) => usage(&args.connect).await,
    }
}

async fn accounts(connect: &Connect) -> anyhow::Result<()> {
    let mut accounts = connect.client()?.accounts().page_size(1000).stream();
    let mut table = output::table(["account", "name", "plan", "suspended", "created"]);
    while let Some(account) = accounts.try_next().await? {
        if connect.json {
            output::json_line(&account)?;
        } else {
            table.add_row(row(account));
        }
    }
    if connect.json {
        return Ok(());
    }
    output::line(table)
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let new = CreateAccount {
        name: args.name,
        plan: args.plan,
        owner_email: args.owner,
    };
    let created = args.connect.client()?.create_account(&new).await?;
    if args.connect.json {
        return output::json(&created);
    }
    let (id, key) = (&created.account.id, &created.key.key);
    output::secret([("account", id), ("owner key", key)], None)?;
    if let Some(invitation) = created.invitation {
        let email = &invitation.invitation.email;
        output::line(match &invitation.token {
            Some(token) => {
                format!("invitation {token}\n           for {email}, who sets a password with it")
            }
            None => format!("invitation sent to {email}"),
        })?;
    }
    Ok(())
}

async fn impersonate(args: ImpersonateArgs) -> anyhow::Result<()> {
    let wanted = Impersonate {
        reason: args.reason,
        minutes: args.minutes,
    };
    let client = args.connect.client()?;
    let issued = client.impersonate(&args.account, &wanted).await?;
    if args.connect.json {
        return output::json(&issued);
    }
    output::line(format_args!(
        "key    {}\nuntil  {}",
        issued.key,
        format::moment(issued.api_key.expires_at)
    ))
}

async fn update(connect: &Connect, id: &str, wanted: UpdateAccount) -> anyhow::Result<()> {
    let account = connect.client()?.update_account(id, &wanted).await?;
    if connect.json {
        return output::json(&account);
    }
    let mut table = output::table(["account", "name", "plan", "suspended", "created"]);
    table.add_row(row(account));
    output::line(table)
}

async fn usage(connect: &Connect) -> anyhow::Result<()> {
    let report = connect
        .client()?
        .usage(&[("split", "namespace,key")])
        .await?;
    if connect.json {
        return output::json(&report);
    }
    let headings = [
        "day",
        "namespace",
        "key",
        "requests",
        "writes",
        "reads",
        "queries",
    ];
    let mut table = output::table(headings);
    for line in report.lines {
        let used = line.used;
        table.add_row([
            format::moment(Some(line.start)),
            line.namespace.unwrap_or_default(),
            line.key.map(|key| key.to_string()).unwrap_or_default(),
            format::count(used.requests),
            format::count(used.write_units),
            format::count(used.read_units),
            format::count(used.query_units),
        ]);
    }
    output::line(table)
}

fn row(account: Account) -> [String; 5] {
    [
        account.id,
        account.name,
        account.plan,
        account.suspended.unwrap_or_default(),
        format::moment(Some(account.created_at)),
    ]
}
