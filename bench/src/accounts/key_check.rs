//! Key-value reads over HTTP with the check of their keys and without, from one process that serves both:
//! everything else is the same.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use axum::{Router, extract::Request, serve::ListenerExt as _};
use quartz_core::{
    VectorCache,
    directory::{Directory, Spawn},
    store::Store,
};
use quartz_engines::{LocalStore, Options};
use quartz_http::{ApiState, Host, account_bounds, auth::Admitted};
use quartz_service::{
    Accounts, Admission, AtOnce, Catalogue, Credential, Entropy, Gatekeeper as _, Grant, Knock,
    Ports, RootKey, peers::AllHere,
};
use tower::util::MapRequestLayer;

use super::{Args, Population, population::RECORD};
use crate::{command::median, exact::SystemClock, record::Record, server, wrk};

const CONNECTIONS: u32 = 32;
const ROUNDS: usize = 15;
/// What the check may add to the time of a read.
const BAR: f64 = 1.1;
/// Says which account asks, to the side that does not check.
const ACCOUNT: &str = "account";

/// What serves both sides.
#[derive(Debug, clap::Args)]
pub(crate) struct Served {
    /// Directory of a server's data
    data: PathBuf,
    /// File of API keys, one a line
    keys: PathBuf,
}

pub(super) fn run(
    args: &Args,
    data: &Path,
    population: &Population,
    record: &mut Record,
) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let (keys, script) = (
        temporary.path().join("keys"),
        temporary.path().join("get.lua"),
    );
    fs::write(&keys, population.0.join("\n"))?;
    fs::write(
        &script,
        format!(
            "local requests = {{}}\nfunction init()\n  for key in io.lines(\"{}\") do\n    \
             requests[#requests + 1] = wrk.format(\"GET\", \"{RECORD}\", {{Authorization = \"Bearer \" .. key, \
             [\"{ACCOUNT}\"] = #requests}})\n  end\nend\n\
             local at = 0\nfunction request()\n  at = (at + 7919) % #requests\n  return requests[at + 1]\nend\n",
            keys.display()
        ),
    )?;
    let (_process, urls) = server::start(
        Command::new(std::env::current_exe()?)
            .arg("key-check-served")
            .args([data, &keys]),
        "checked and not on ",
    )?;
    let (checked, unchecked) = urls.split_once(' ').context("two URLs")?;
    let rate = |url: &str| wrk::rate(url, &script, CONNECTIONS, args.seconds.div_ceil(2));
    // Brings accounts and namespaces into memory.
    rate(checked)?;
    rate(unchecked)?;
    let (mut with, mut without, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (checked, unchecked) = (rate(checked)?, rate(unchecked)?);
        ratios.push(unchecked / checked);
        with.push(checked);
        without.push(unchecked);
    }
    // The middle ratio of rounds taken in turns, not the ratio of the middle rates.
    let ratio = median(ratios);
    record.row(
        "GET 100 bytes with a key check, 10,000 keys in turns",
        &format!("{:.0} /s", median(with)),
        &format!("check already made: {:.0} /s", median(without)),
        Some(ratio),
        &format!("≤ {BAR} × the time"),
        Some(ratio <= BAR),
    );
    Ok(())
}

/// Serves a store twice: with its keys checked, and with the check of each made beforehand.
pub(crate) fn serve(served: &Served) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let store = LocalStore::open(served.data.join("store"), Options::default())?;
            let store: Arc<dyn Store> = Arc::new(store);
            let root = fs::read_to_string(served.data.join("root.key"))?;
            let ports = ports();
            let (clock, spawn) = (Arc::clone(&ports.clock), Arc::clone(&ports.spawn));
            let accounts =
                Accounts::new(Arc::clone(&store), ports, RootKey::new(root.trim())).await?;
            let directory = Directory::new(store, clock, VectorCache::new(1 << 20), spawn).await?;
            let mut grants = Vec::new();
            for key in fs::read_to_string(&served.keys)?.lines() {
                grants.push(admit(&accounts, key).await?);
            }
            let router = quartz_http::router(
                ApiState {
                    directory,
                    limits: quartz_api::Limits::default(),
                    gatekeeper: Arc::new(accounts.clone()),
                    accounts,
                    host: Arc::new(Local(Instant::now(), AtomicU64::new(0))),
                    concurrent_requests: 1024,
                },
                &[],
                Router::new(),
            );
            let checked = listen(admitting(&router, Vec::new())).await?;
            let unchecked = listen(admitting(&router, grants)).await?;
            println!("checked and not on {checked} {unchecked}");
            std::future::pending::<()>().await;
            Ok(())
        })
}

/// The router behind a layer that lets in whom it has a grant for.
fn admitting(router: &Router, grants: Vec<Arc<Grant>>) -> Router {
    let grants: Arc<[_]> = grants.into();
    router
        .clone()
        .layer(MapRequestLayer::new(move |mut request: Request| {
            let account = request.headers().get(ACCOUNT);
            let account = account.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
            if let Some(grant) = account.and_then(|account| grants.get(account)) {
                let admitted = Admitted(Arc::clone(grant));
                request.extensions_mut().insert(admitted);
            }
            request
        }))
}

async fn listen(router: Router) -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn admit(accounts: &Accounts, key: &str) -> anyhow::Result<Arc<Grant>> {
    let knock = Knock {
        credential: Credential::Key(key),
        address: None,
    };
    let grant = match accounts.admit(knock) {
        Admission::Ready(grant) => grant,
        Admission::Pending(grant) => grant.await,
    };
    grant.map_err(|denial| anyhow::anyhow!("a key does not open: {denial:?}"))
}

fn ports() -> Ports {
    let spawn: Spawn = Arc::new(|future| drop(tokio::spawn(future)));
    Ports {
        bounds: account_bounds(&quartz_api::Limits::default()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Zeros),
        plans: Arc::new(arc_swap::ArcSwap::from_pointee(Catalogue::default())),
        people: Arc::default(),
        mail: None,
        sso: None,
        offload: Arc::new(AtOnce),
        spawn,
        peers: Arc::new(AllHere),
    }
}

struct Local(Instant, AtomicU64);

impl Host for Local {
    fn monotonic_micros(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }

    fn unique_id(&self) -> u128 {
        self.1.fetch_add(1, Ordering::Relaxed).into()
    }
}

/// Nothing secret is made here.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
