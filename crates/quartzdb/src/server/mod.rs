//! The server in this process: storage, the router, a listener, and what runs beside them.

mod courier;
mod deliveries;
mod head_timer;
mod host;
mod instrumented;
mod listener;
mod log;
mod mail;
mod metrics;
mod openid_connect;
mod reload;
mod root_key;
mod settings;
mod sso_settings;
mod tls;

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use quartz_core::{
    VectorCache,
    directory::{Directory, Spawn},
    store::Store,
};
use quartz_engines::LocalStore;
use quartz_http::ApiState;
use quartz_service::{
    Accounts, Entropy as _, PeopleSettings, PersonId, Ports, RootKey, peers::AllHere,
    person::SsoAttempts,
};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, spawn_blocking},
};

pub(crate) use self::settings::{Config, ServeArgs};
use self::{
    courier::HttpCourier, host::NativeHost, instrumented::InstrumentedStore, metrics::Metrics,
    openid_connect::OpenIdConnect,
};

/// Tasks of its own that a thread runs before it looks at those woken from outside the runtime. A
/// committed group is such a task, with all its clients waiting behind it.
const OWN_TASKS: u32 = 7;
/// Pause between rounds of maintenance that had nothing more to do.
const MAINTENANCE_PAUSE: Duration = Duration::from_secs(1);
/// Pause between rounds in which accounts take over what their namespaces have counted. A crash loses
/// the reads of at most so long.
const COLLECT_PAUSE: Duration = Duration::from_secs(5);

/// Pause between slices of the people that are looked through for what has ended.
const SWEEP_PAUSE: Duration = Duration::from_secs(20);

/// A server that runs in this process.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) url: String,
    /// A key it accepts.
    pub(crate) api_key: String,
    /// Where the key is kept, if this start made it.
    new_key_file: Option<PathBuf>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    maintenance: JoinHandle<()>,
    deliveries: JoinHandle<()>,
    reloads: JoinHandle<()>,
    directory: Directory,
    accounts: Accounts,
}

impl Running {
    /// Takes no new connections, finishes the requests that run, syncs and stops.
    pub(crate) async fn shutdown(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.serving.await.context("the listener failed")?;
        for task in [self.maintenance, self.deliveries, self.reloads] {
            task.abort();
            let _ = task.await;
        }
        // What was counted since the last round.
        let collected = self.accounts.collect_from(&self.directory, None).await;
        collected.context("usage could not be taken over")?;
        // The last handle on the store syncs and frees the data directory; that may take a while.
        spawn_blocking(move || drop((self.accounts, self.directory)))
            .await
            .context("closing the store failed")
    }
}

/// Starts a server and returns once it answers.
pub(crate) async fn start(config: Config) -> anyhow::Result<Running> {
    let data = config.data.clone();
    let options = config.engine;
    let store = spawn_blocking(move || -> anyhow::Result<_> {
        settings::create_private_dir(&data)?;
        Ok(LocalStore::open(data.join("store"), options)?)
    })
    .await??;
    let store: Arc<dyn Store> = Arc::new(InstrumentedStore(store));
    let (api_key, new_key_file) = root_key::load_or_make(&config.data)?;

    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; choose another with --listen",
            config.listen
        )
    })?;
    let address = listener.local_addr()?;
    let url = url_of(address);

    let spawn: Spawn = Arc::new(|future| drop(tokio::spawn(future)));
    let cache = VectorCache::new(config.vector_cache_bytes);
    let clock = Arc::new(host::SystemClock);
    let public_url = config.public_url.clone().unwrap_or_else(|| url.clone());
    let entropy = Arc::new(host::SystemEntropy::new()?);
    let sso = config.sso.as_ref().map(|settings| -> anyhow::Result<_> {
        let provider = Arc::new(OpenIdConnect::new(settings, &public_url)?);
        // Of this process: who is away while it ends begins anew.
        let mut key = [0; 32];
        entropy.fill(&mut key);
        let sso = settings.single_sign_on(provider, SsoAttempts::new(key));
        Ok(Arc::new(sso))
    });
    let ports = Ports {
        plans: Arc::new(ArcSwap::from_pointee(config.plans.clone())),
        bounds: quartz_http::account_bounds(&config.limits),
        clock: clock.clone(),
        entropy,
        people: Arc::new(PeopleSettings {
            sign_up: config.sign_up,
            public_url,
            ..PeopleSettings::default()
        }),
        mail: config.mail()?,
        sso: sso.transpose()?,
        offload: Arc::new(host::OnThreads::new()),
        spawn: Arc::clone(&spawn),
        peers: Arc::new(AllHere),
    };
    let accounts = Accounts::new(Arc::clone(&store), ports, RootKey::new(&api_key)).await?;
    if let Some(sso) = &config.sso
        && accounts.open(sso.account).await?.is_none()
    {
        bail!("--oidc-account: there is no account {}", sso.account);
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let directory = Directory::new_on(processors, store, clock, cache, spawn).await?;

    let (stop, stopping) = watch::channel(false);
    let metrics = Metrics::install(directory.clone());
    let host = NativeHost::new(directory.clone(), config.request_timeout, stopping.clone())?;
    let state = ApiState {
        directory: directory.clone(),
        limits: config.limits.clone(),
        accounts: accounts.clone(),
        gatekeeper: Arc::new(accounts.clone()),
        host: Arc::new(host),
        concurrent_requests: config.concurrent_requests,
    };
    let router = quartz_http::router(state, &config.cors_origins, metrics.router());

    let serving = tokio::spawn(listener::serve(
        listener,
        router,
        stopping,
        config.connections,
        config.shutdown_grace,
    ));
    let maintenance = tokio::spawn(maintain(directory.clone(), accounts.clone()));
    let courier = HttpCourier::new(&config.webhook_networks);
    let deliveries = tokio::spawn(deliveries::run(accounts.clone(), Arc::new(courier)));
    let reloads = tokio::spawn(reload::run(accounts.clone(), config.plans_file.clone())?);
    tracing::info!(%url, data = %config.data.display(), "serving");
    Ok(Running {
        url,
        api_key,
        new_key_file,
        stop,
        serving,
        maintenance,
        deliveries,
        reloads,
        directory,
        accounts,
    })
}

/// The URL under which this machine reaches a listening address.
fn url_of(address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{}", address.port())
}

async fn maintain(directory: Directory, accounts: Accounts) {
    if let Err(error) = accounts.collect_all(&directory).await {
        tracing::warn!(%error, "usage could not be taken over at the start");
    }
    let mut collected = Instant::now();
    let (mut swept, mut sweep_from) = (Instant::now(), None::<PersonId>);
    loop {
        if collected.elapsed() >= COLLECT_PAUSE {
            collected = Instant::now();
            if let Err(error) = accounts.collect_from(&directory, None).await {
                tracing::warn!(%error, "usage could not be taken over; it will be tried again");
            }
            if let Err(error) = accounts.flush_denials().await {
                tracing::warn!(%error, "denials could not be put into the audit log");
            }
        }
        if swept.elapsed() >= SWEEP_PAUSE {
            swept = Instant::now();
            match accounts.sweep_people(sweep_from).await {
                Ok(next) => sweep_from = next,
                Err(error) => tracing::warn!(%error, "sessions and links could not be swept"),
            }
        }
        accounts.close_idle();
        let more = match directory.maintain().await {
            Ok(done) => done.more,
            Err(error) => {
                tracing::warn!(%error, "maintenance failed; it will be tried again");
                false
            }
        };
        if more {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(MAINTENANCE_PAUSE).await;
        }
    }
}

/// Serves until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    log::install(&config.log_filter, config.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .global_queue_interval(OWN_TASKS)
        .build()?;
    let served = runtime.block_on(async {
        // Before anybody knows that there is something to stop.
        let mut stop = pin!(stop_signal()?);
        let running = tokio::select! {
            running = start(config) => running?,
            () = &mut stop => {
                tracing::info!("stopping before the start is done");
                return Ok(());
            }
        };
        announce(&running);
        stop.await;
        tracing::info!("stopping: finishing the requests that run");
        running.shutdown().await
    });
    // A store that is still being opened is left as a crash would leave it.
    runtime.shutdown_background();
    served
}

fn announce(running: &Running) {
    let url = &running.url;
    println!("QuartzDB {} serves {url}", env!("CARGO_PKG_VERSION"));
    println!("  documentation  {url}/docs");
    if let Some(path) = &running.new_key_file {
        println!("  root API key   {}", running.api_key);
        println!(
            "                 shown this once, kept in {} (mode 0600)",
            path.display()
        );
        println!("\nTry it:");
        println!("  export QUARTZ_API_KEY={}", running.api_key);
        println!("  quartz put notes hello 'a first value' && quartz get notes hello");
    }
}

/// Ends when the process is told to stop. It is listened to from this call on.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
