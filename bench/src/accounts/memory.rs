use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use hyper::Method;

use super::{ACCOUNTS, Args, Population};
use crate::{connection::Connection, record::Record, server::Server};

const BAR: f64 = 4096.0;
/// A server lets go of what nobody has asked for in a minute.
const IDLE_SECONDS: u64 = 65;
/// Memory that stays within this, for as long as any of the server's own rounds takes, has settled.
const SETTLED_BYTES: u64 = 128 << 10;
const SETTLED_SECONDS: u32 = 8;
const SECONDS_MAX: u32 = 90;
const FILLER_BYTES: usize = 1 << 20;
const FILLERS_MAX: usize = 500;
/// Write buffers to fill.
const BUFFERS: u64 = 2;

/// Fills the store. What accounts take after a start is what the server takes more than without them. What idle
/// ones take that were in use is what it takes more where others were in use before: half of the accounts are
/// touched and left alone for a minute, then the other half is touched, beside a server where only that is.
/// So memory that an idle account has given back, and the allocator keeps for whoever comes next, is not counted.
pub(super) async fn run(
    args: &Args,
    data: &Path,
    record: &mut Record,
) -> anyhow::Result<Population> {
    let mut population = Population::default();
    let mut started = Vec::new();
    for accounts in [0, ACCOUNTS] {
        let server = Server::start(&args.quartz, data)?;
        population.grow_to(accounts, &server).await?;
        press_out(&server, data).await?;
        server.stop()?;
        let server = Server::start_lean(&args.quartz, data)?;
        started.push(settled(&server).await?);
        server.stop()?;
    }
    let (first, second) = population.halves();
    let server = Server::start_lean(&args.quartz, data)?;
    let before = settled(&server).await?;
    second.touch(&server).await?;
    let second_alone = settled(&server).await?;
    server.stop()?;
    let server = Server::start_lean(&args.quartz, data)?;
    settled(&server).await?;
    first.touch(&server).await?;
    tokio::time::sleep(Duration::from_secs(IDLE_SECONDS)).await;
    second.touch(&server).await?;
    let second_after_first = settled(&server).await?;
    server.stop()?;

    let half = ACCOUNTS / 2;
    let each =
        |more: u64, less: u64, accounts: usize| more.saturating_sub(less) as f64 / accounts as f64;
    let mut idle = |what: &str, bytes: f64| {
        let what = format!("memory of an idle account, {what}");
        record.add_bar(&what, bytes, "bytes", "< 4 KiB", bytes < BAR);
    };
    idle(
        "after a start, 10,000 beside none",
        each(started[1], started[0], ACCOUNTS),
    );
    idle(
        "a minute after its last request, 5,000 beside 5,000 that are in use",
        each(second_after_first, second_alone, half),
    );
    let touched = each(second_alone, before, half);
    let what = "memory of an account that is in use, 5,000 of 10,000";
    record.row(what, &format!("{touched:.0} bytes"), "", None, "", None);
    record.note(
        "Memory is the growth of the server's resident memory, divided by accounts: the account with its key, its \
         namespace with one record of 100 bytes, and what allocator and storage need for them, the rows of usage in \
         the write buffer included. Idle ones that were in use count with what the server takes more where they were \
         touched a minute before the others than where only the others were. --store-cache 1MiB, other records have \
         been through the write buffers before the start, MIMALLOC_ALLOW_THP=0.",
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
