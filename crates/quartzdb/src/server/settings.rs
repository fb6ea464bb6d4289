use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytesize::ByteSize;
use clap::ValueEnum;
use http::HeaderValue;
use quartz_api::Limits;
use quartz_engines::Options;
use quartz_service::{Catalogue, Mail, Network, person::SsoSettings};
use serde::Deserialize;

use super::{
    mail::{Smtp, SmtpUrl},
    sso_settings::OidcArgs,
};

const EXAMPLES: &str = "\
Examples:
  quartz serve
  quartz serve --data /var/lib/quartz --listen 0.0.0.0:6464
  QUARTZ_VECTOR_CACHE=4GiB quartz serve --config /etc/quartz.toml

The configuration file is TOML; its names are those of the flags with underscores, and `oidc` is a
table. A flag overrides the environment, which overrides the file. Limits can be lowered in the file
only:
  data = \"/var/lib/quartz\"
  vector_cache = \"4GiB\"
  smtp_url = \"smtps://user:password@mail.example.com\"
  mail_from = \"QuartzDB <db@example.com>\"
  [oidc]
  issuer = \"https://login.example.com\"
  client_id = \"quartz\"
  roles = [\"db-admins=admin\", \"everybody=reader\"]
  [limits]
  value_bytes = 65536";

/// What the command line, the environment and the configuration file may say.
#[derive(Debug, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML)
    #[arg(long, env = "QUARTZ_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Directory of the data, made if it is missing [default: quartz-data]
    #[arg(long, env = "QUARTZ_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:6464]
    #[arg(long, env = "QUARTZ_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Memory for vectors [default: 1GiB]
    #[arg(long, env = "QUARTZ_VECTOR_CACHE", value_name = "SIZE")]
    vector_cache: Option<ByteSize>,
    /// Memory for blocks of storage [default: 64MiB]
    #[arg(long, env = "QUARTZ_STORE_CACHE", value_name = "SIZE")]
    store_cache: Option<ByteSize>,
    /// Refuse writes while the disk has less free space [default: 256MiB]
    #[arg(long, env = "QUARTZ_MIN_FREE", value_name = "SIZE")]
    min_free: Option<ByteSize>,
    /// Longest time for a request, in seconds; imports and exports have no limit [default: 30]
    #[arg(long, env = "QUARTZ_REQUEST_TIMEOUT", value_name = "SECONDS")]
    request_timeout: Option<u64>,
    /// Longest time to finish requests at shutdown, in seconds [default: 30]
    #[arg(long, env = "QUARTZ_SHUTDOWN_GRACE", value_name = "SECONDS")]
    shutdown_grace: Option<u64>,
    /// Requests served at once; more get 429 [default: 1024]
    #[arg(long, env = "QUARTZ_CONCURRENT_REQUESTS", value_name = "N")]
    concurrent_requests: Option<usize>,
    /// Connections held at once; more wait [default: 4096]
    #[arg(long, env = "QUARTZ_CONNECTIONS", value_name = "N")]
    connections: Option<usize>,
    /// Origins of web pages that may call the API, separated by commas; none by default
    #[arg(
        long,
        env = "QUARTZ_CORS_ORIGINS",
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    cors_origins: Option<Vec<String>>,
    /// What to log: a level, or a filter like `info,quartz_http=debug` [default: info,lsm_tree=warn]
    #[arg(long, env = "QUARTZ_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How to log [default: text]
    #[arg(long, env = "QUARTZ_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Catalogue of plans (TOML): limits, quotas and prices of accounts; built-in ones by default. SIGHUP
    /// reads it again
    #[arg(long, env = "QUARTZ_PLANS", value_name = "FILE")]
    plans: Option<PathBuf>,
    /// Networks that webhooks may reach though they are not public, as 10.0.0.0/8, separated by commas
    #[arg(
        long,
        env = "QUARTZ_WEBHOOK_NETWORKS",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    webhook_networks: Option<Vec<String>>,
    /// Where browsers reach the server, for links in mails; with https:// cookies insist on TLS
    /// [default: the listening address]
    #[arg(long, env = "QUARTZ_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Let strangers make accounts of their own; it takes mail
    #[arg(long, env = "QUARTZ_SIGN_UP", num_args = 0..=1, default_missing_value = "true")]
    sign_up: Option<bool>,
    /// Mail server: smtp[s]://[user:password@]host[:port][?tls=required]; without it, no mail is sent
    #[arg(
        long,
        env = "QUARTZ_SMTP_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    smtp_url: Option<SmtpUrl>,
    /// Sender of mails, as an address or `Name <address>`
    #[arg(long, env = "QUARTZ_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
    #[command(flatten)]
    oidc: OidcArgs,
    #[arg(skip)]
    limits: Option<Limits>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// A server's configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Directory of the data.
    pub(crate) data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    pub(crate) vector_cache_bytes: u64,
    pub(crate) engine: Options,
    pub(crate) request_timeout: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) concurrent_requests: usize,
    pub(crate) connections: usize,
    pub(crate) cors_origins: Vec<HeaderValue>,
    pub(crate) log_filter: String,
    pub(crate) log_format: LogFormat,
    pub(crate) limits: Limits,
    pub(crate) plans: Catalogue,
    /// Where they are from.
    pub(crate) plans_file: Option<PathBuf>,
    pub(crate) webhook_networks: Vec<Network>,
    pub(crate) public_url: Option<String>,
    pub(crate) sign_up: bool,
    smtp: Option<(SmtpUrl, String)>,
    pub(super) sso: Option<SsoSettings>,
}

impl ServeArgs {
    /// Reads the configuration file and fills in what is not said.
    pub(crate) fn into_config(self) -> anyhow::Result<Config> {
        let file = match &self.config {
            Some(path) => read(path)?,
            None => Self::default(),
        };
        let engine = Options::default();
        let size = |flag: Option<ByteSize>, file: Option<ByteSize>, default: u64| {
            flag.or(file).map_or(default, |size| size.as_u64())
        };
        let seconds =
            |flag: Option<u64>, file: Option<u64>| Duration::from_secs(flag.or(file).unwrap_or(30));
        let limits = file.limits.unwrap_or_default();
        if let Some((name, ceiling)) = limits.raised() {
            bail!("limits.{name} can be lowered, not raised above {ceiling}");
        }
        let plans_file = self.plans.or(file.plans);
        let plans = match &plans_file {
            Some(path) => catalogue(path)?,
            None => Catalogue::default(),
        };
        let networks = self.webhook_networks.or(file.webhook_networks);
        let networks = networks.unwrap_or_default();
        let network = |text: &String| {
            let parsed = text.trim().parse().map_err(anyhow::Error::msg);
            parsed.with_context(|| format!("webhook_networks: {text:?}"))
        };
        let webhook_networks = networks.iter().map(network).collect::<Result<_, _>>()?;
        let public_url = self.public_url.or(file.public_url);
        let public_url = public_url.map(|url| web_address(&url)).transpose()?;
        let from = self.mail_from.or(file.mail_from);
        let smtp = match (self.smtp_url.or(file.smtp_url), from) {
            (None, _) => None,
            (Some(url), Some(from)) => Some((url, from)),
            (Some(_), None) => bail!("--smtp-url needs --mail-from, the sender of the mails"),
        };
        let sign_up = self.sign_up.or(file.sign_up).unwrap_or(false);
        if sign_up && smtp.is_none() {
            bail!("--sign-up needs --smtp-url: an account is founded by the link in a mail");
        }
        let sso = self.oidc.or(file.oidc).into_settings()?;
        let origins = self.cors_origins.or(file.cors_origins).unwrap_or_default();
        Ok(Config {
            data: self
                .data
                .or(file.data)
                .unwrap_or_else(|| "quartz-data".into()),
            listen: self
                .listen
                .or(file.listen)
                .unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 6464).into()),
            vector_cache_bytes: size(self.vector_cache, file.vector_cache, 1 << 30),
            engine: Options {
                cache_bytes: size(self.store_cache, file.store_cache, engine.cache_bytes),
                min_free_bytes: size(self.min_free, file.min_free, engine.min_free_bytes),
                ..engine
            },
            request_timeout: seconds(self.request_timeout, file.request_timeout),
            shutdown_grace: seconds(self.shutdown_grace, file.shutdown_grace),
            concurrent_requests: self
                .concurrent_requests
                .or(file.concurrent_requests)
                .unwrap_or(1024),
            connections: self.connections.or(file.connections).unwrap_or(4096),
            cors_origins: origins
                .iter()
                .map(|origin| {
                    HeaderValue::from_str(origin.trim())
                        .with_context(|| format!("{origin:?} is not an origin"))
                })
                .collect::<Result<_, _>>()?,
            log_filter: self
                .log
                .or(file.log)
                .unwrap_or_else(|| "info,lsm_tree=warn".into()),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            limits,
            plans,
            plans_file,
            webhook_networks,
            public_url,
            sign_up,
            smtp,
            sso,
        })
    }
}

impl Config {
    /// The way to send mail, if there is one.
    pub(super) fn mail(&self) -> anyhow::Result<Option<Arc<dyn Mail>>> {
        let Some((url, from)) = &self.smtp else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Smtp::new(url, from)?)))
    }

    /// The default configuration, but for where data are and where to listen.
    pub(crate) fn new(data: PathBuf, listen: SocketAddr) -> anyhow::Result<Self> {
        ServeArgs {
            data: Some(data),
            listen: Some(listen),
            ..ServeArgs::default()
        }
        .into_config()
    }
}

/// An address without a path, and without a slash at its end.
fn web_address(url: &str) -> anyhow::Result<String> {
    let parsed: http::Uri = url
        .parse()
        .with_context(|| format!("--public-url: {url:?} is no URL"))?;
    let is_plain = parsed.path_and_query().is_none_or(|path| path == "/");
    match (parsed.scheme_str(), parsed.authority()) {
        (Some(scheme @ ("http" | "https")), Some(host)) if is_plain => {
            Ok(format!("{scheme}://{host}"))
        }
        _ => bail!("--public-url reads https://host, without a path: {url:?}"),
    }
}

fn read(path: &Path) -> anyhow::Result<ServeArgs> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    toml::from_str(&text)
        .with_context(|| format!("the configuration file {} is not valid", path.display()))
}

/// Reads and checks a catalogue of plans.
pub(super) fn catalogue(path: &Path) -> anyhow::Result<Catalogue> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the catalogue of plans {}", path.display()))?;
    let catalogue: Catalogue = toml::from_str(&text)
        .with_context(|| format!("the catalogue of plans {} is not valid", path.display()))?;
    catalogue.check().map_err(anyhow::Error::msg)?;
    Ok(catalogue)
}

/// Makes a directory that only its owner can enter, unless it is there.
pub(super) fn create_private_dir(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the data directory {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_file_and_limits_only_shrink() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("quartz.toml");
        let args = |text: &str| {
            fs::write(&path, text).unwrap();
            let listen = Some(([127, 0, 0, 1], 1).into());
            ServeArgs {
                config: Some(path.clone()),
                listen,
                ..ServeArgs::default()
            }
        };
        let text = "listen = \"127.0.0.1:2\"\nvector_cache = \"2MiB\"\n[limits]\ntop_k = 7\n";
        let config = args(text).into_config().unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.vector_cache_bytes, 2 << 20);
        assert_eq!(config.limits.top_k, 7);
        assert!(args("[limits]\ntop_k = 10001\n").into_config().is_err());
        assert!(args("unknown = 1\n").into_config().is_err());
    }

    #[test]
    fn mail_is_whole_or_not_there() {
        let args = |smtp: Option<&str>, from: Option<&str>, sign_up, url: Option<&str>| ServeArgs {
            smtp_url: smtp.map(|url| url.parse().unwrap()),
            mail_from: from.map(str::to_owned),
            sign_up: Some(sign_up),
            public_url: url.map(str::to_owned),
            ..ServeArgs::default()
        };
        let (smtp, from) = (Some("smtp://user:secret@localhost"), Some("a@b.c"));
        let config = args(smtp, from, true, Some("https://db.example/"))
            .into_config()
            .unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://db.example"));
        assert!(config.mail().unwrap().is_some());
        assert!(!format!("{config:?}").contains("secret"));
        assert!(args(smtp, None, false, None).into_config().is_err());
        assert!(args(None, None, true, None).into_config().is_err());
        assert!(
            args(None, None, false, None)
                .into_config()
                .unwrap()
                .mail()
                .unwrap()
                .is_none()
        );
        for wrong in [
            "db.example",
            "ftp://db.example",
            "https://db.example/x",
            "https://",
        ] {
            assert!(
                args(None, None, false, Some(wrong)).into_config().is_err(),
                "{wrong}"
            );
        }
    }
}
