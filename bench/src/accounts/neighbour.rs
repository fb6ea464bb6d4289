use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use hyper::Method;
use serde_json::json;
use tokio::{
    runtime::Runtime,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    Args,
    population::{RECORD, account},
};
use crate::{command::median, connection::Connection, record::Record, server::Server, wrk};

const ROUNDS: usize = 7;
/// Connections of the tenant that is over its limits, each asking again as soon as it is answered.
const LOUD_CONNECTIONS: u32 = 64;
/// Connections of the quiet one, and how often each asks.
const QUIET_CONNECTIONS: usize = 4;
const QUIET_PAUSE: Duration = Duration::from_millis(2);
const BAR: f64 = 1.2;

/// Microseconds.
struct Latency {
    p50: f64,
    p99: f64,
}

/// A steady load by itself and beside a tenant far over its limits, in turns.
pub(super) fn run(
    args: &Args,
    server: &Server,
    runtime: &Runtime,
    record: &mut Record,
) -> anyhow::Result<()> {
    let (loud, quiet) = runtime.block_on(async {
        let mut connection = Connection::open(&server.url).await?;
        let mut tenant = async |plan: &str| {
            let wanted = json!({"name": plan, "plan": plan});
            account(&mut connection, &server.api_key, &wanted).await
        };
        anyhow::Ok((tenant("free").await?, tenant("enterprise").await?))
    })?;
    let temporary = tempfile::tempdir()?;
    let script = temporary.path().join("loud.lua");
    std::fs::write(
        &script,
        format!("wrk.path = \"{RECORD}\"\nwrk.headers[\"Authorization\"] = \"Bearer {loud}\"\n"),
    )?;
    let measured = || runtime.block_on(steady(&server.url, &quiet, args.seconds));
    measured()?;
    let (mut alone, mut beside, mut ratios, mut refusals) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let by_itself = measured()?;
        // It begins before and ends after what is measured.
        let seconds = args.seconds + 2;
        let loud = wrk::command(&server.url, &script, LOUD_CONNECTIONS, seconds)
            .stdout(Stdio::piped())
            .spawn()?;
        std::thread::sleep(Duration::from_secs(1));
        let disturbed = measured()?;
        let text = String::from_utf8(loud.wait_with_output()?.stdout)?;
        refusals.push(wrk::figure(&text, "Non-2xx or 3xx responses:")? / f64::from(seconds));
        ratios.push(disturbed.p99 / by_itself.p99);
        alone.push(by_itself);
        beside.push(disturbed);
    }
    let middle =
        |latencies: &[Latency], of: fn(&Latency) -> f64| median(latencies.iter().map(of).collect());
    let refusals = median(refusals);
    let what = |at| format!("GET {at} beside a tenant over its limits ({refusals:.0} refusals/s)");
    for (at, of) in [("p50", p50 as fn(&Latency) -> f64), ("p99", p99)] {
        let (beside, alone) = (middle(&beside, of), middle(&alone, of));
        let (ours, rival) = (
            format!("{beside:.0} µs"),
            format!("by itself: {alone:.0} µs"),
        );
        // The middle ratio of rounds taken in turns, not the ratio of the middle figures.
        let (ratio, bar) = match at {
            "p99" => (median(ratios.clone()), Some(BAR)),
            _ => (beside / alone, None),
        };
        let text = bar.map(|bar| format!("≤ {bar} ×")).unwrap_or_default();
        let reached = bar.map(|bar| ratio <= bar);
        record.row(&what(at), &ours, &rival, Some(ratio), &text, reached);
    }
    Ok(())
}

fn p50(latency: &Latency) -> f64 {
    latency.p50
}

fn p99(latency: &Latency) -> f64 {
    latency.p99
}

/// Requests at a pace that the server keeps up with easily.
async fn steady(url: &str, key: &str, seconds: u32) -> anyhow::Result<Latency> {
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let mut tasks = JoinSet::new();
    for _ in 0..QUIET_CONNECTIONS {
        let mut connection = Connection::open(url).await?;
        let key = key.to_owned();
        tasks.spawn(async move {
            let mut pace = interval(QUIET_PAUSE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut micros = Vec::new();
            while Instant::now() < end {
                pace.tick().await;
                let started = Instant::now();
                connection.done(Method::GET, RECORD, &key, "").await?;
                micros.push(started.elapsed().as_secs_f64() * 1e6);
            }
            anyhow::Ok(micros)
        });
    }
    let mut micros = Vec::new();
    while let Some(measured) = tasks.join_next().await {
        micros.extend(measured??);
    }
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    Ok(Latency {
        p50: at(0.5),
        p99: at(0.99),
    })
}
