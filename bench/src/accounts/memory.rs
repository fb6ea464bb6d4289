use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use hyper::Method;

use super::{ACCOUNTS, Args, Population};
use crate::{connection::Connection, record::Record, server::Server};

const BAR: f64 = 4096.0;
/// Memory that stays within this, for as long as any of the server's own rounds takes, has settled.
const SETTLED_BYTES: u64 = 128 << 10;
const SETTLED_SECONDS: u32 = 8;
const SECONDS_MAX: u32 = 90;
const FILLER_BYTES: usize = 1 << 20;
const FILLERS_MAX: usize = 500;
/// Write buffers to fill.
const BUFFERS: u64 = 2;

/// A server lets go of what nobody has asked for in a minute.
const IDLE_SECONDS: u64 = 65;

/// What a server takes that has started on a store and settled; when every account was just touched; and when
/// nobody has asked for any in a minute, and other records have been through its write buffers again.
struct Resident {
    started: u64,
    touched: u64,
    idle: u64,
}

/// Fills the store in two halves. The second half is what accounts take; the first has what is there
/// once, however many they are, as well.
pub(super) async fn run(
    args: &Args,
    data: &Path,
    record: &mut Record,
) -> anyhow::Result<Population> {
    let mut population = Population::default();
    let mut sizes = Vec::new();
    for accounts in [0, ACCOUNTS / 2, ACCOUNTS] {
        let server = Server::start(&args.quartz, data)?;
        population.grow_to(accounts, &server).await?;
        press_out(&server, data).await?;
        server.stop()?;
        let server = Server::start_lean(&args.quartz, data)?;
        let started = settled(&server).await?;
        population.touch(&server).await?;
        let touched = settled(&server).await?;
        tokio::time::sleep(Duration::from_secs(IDLE_SECONDS)).await;
        // What was freed is used again, what is held is not.
        press_out(&server, data).await?;
        let idle = settled(&server).await?;
        server.stop()?;
        println!(
            "{accounts} accounts: {started} bytes at the start, {touched} touched, {idle} idle"
        );
        sizes.push(Resident {
            started,
            touched,
            idle,
        });
    }
    let [empty, half, full] = &sizes[..] else {
        anyhow::bail!("there are three sizes");
    };
    let each =
        |more: u64, less: u64, accounts: usize| more.saturating_sub(less) as f64 / accounts as f64;
    let mut idle = |what: &str, bytes: f64| {
        let what = format!("memory of an idle account, {what}");
        record.add_bar(&what, bytes, "bytes", "< 4 KiB", bytes < BAR);
    };
    idle(
        "after a start, 10,000 beside none",
        each(full.started, empty.started, ACCOUNTS),
    );
    idle(
        "a minute after its last request, 10,000 beside none",
        each(full.idle, empty.idle, ACCOUNTS),
    );
    idle(
        "a minute after its last request, 10,000 beside 5,000",
        each(full.idle, half.idle, ACCOUNTS / 2),
    );
    let touched = each(full.touched, empty.touched, ACCOUNTS);
    let what = "memory of an account that was asked for a moment ago, 10,000 beside none";
    record.row(what, &format!("{touched:.0} bytes"), "", None, "", None);
    record.note(
        "Memory is the growth of the server's resident memory, divided by accounts: the account with its key, its \
         namespace with one record of 100 bytes, and what allocator and storage need for them. What has a budget of \
         its own is kept small and alike on both sides: --store-cache 1MiB, and write buffers that other records \
         have been through, for an idle one also after its minute. MIMALLOC_ALLOW_THP=0.",
    );
    Ok(population)
}

/// Writes other records until those of the accounts have left the write buffers for the disk: buffers have
/// a budget of their own, whatever is in them, and are read again at a start. Ends just after a buffer has begun.
async fn press_out(server: &Server, data: &Path) -> anyhow::Result<()> {
    let journal = data.join("store/journal");
    let mut connection = Connection::open(&server.url).await?;
    let (path, key) = ("/v1/namespaces/filler/kv/record", &server.api_key);
    let last = last_segment(&journal)?.0 + BUFFERS;
    for _ in 0..FILLERS_MAX {
        connection
            .done(Method::PUT, path, key, vec![b'x'; FILLER_BYTES])
            .await?;
        if last_segment(&journal)?.0 >= last {
            break;
        }
    }
    for _ in 0..SECONDS_MAX {
        // What is written out has no segment any more.
        if last_segment(&journal)?.1 == 1 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    anyhow::bail!("the write buffers are not written out")
}

/// The number of the segment that is being written, and how many there are. There is one for each write buffer.
fn last_segment(journal: &Path) -> anyhow::Result<(u64, usize)> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(journal)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        if let Some(number) = number {
            numbers.push(number.parse::<u64>()?);
        }
    }
    let last = numbers.iter().copied().max();
    Ok((last.context("no journal")?, numbers.len()))
}

/// Resident memory, when nothing moves any more.
async fn settled(server: &Server) -> anyhow::Result<u64> {
    let (mut lowest, mut highest, mut quiet) = (u64::MAX, 0, 0);
    for _ in 0..SECONDS_MAX {
        let bytes = server.resident_bytes()?;
        (lowest, highest) = (lowest.min(bytes), highest.max(bytes));
        quiet += 1;
        if highest - lowest > SETTLED_BYTES {
            (lowest, highest, quiet) = (bytes, bytes, 0);
        }
        if quiet > SETTLED_SECONDS {
            return Ok(bytes);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    anyhow::bail!("the server's memory does not settle")
}
