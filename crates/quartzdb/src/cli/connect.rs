use std::time::Duration;

use quartz_client::{Client, Namespace};

use super::exit;

/// Which server to talk to.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Connect {
    /// Address of the server
    #[arg(long, env = "QUARTZ_URL", default_value = "http://127.0.0.1:6464")]
    pub(super) url: String,
    /// API key
    #[arg(long, env = "QUARTZ_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
    /// Longest wait for one answer, in seconds
    #[arg(long, default_value = "60", value_name = "SECONDS")]
    pub(super) timeout: u64,
    /// Print JSON instead of tables
    #[arg(long)]
    pub(super) json: bool,
}

impl Connect {
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let agent = concat!("quartz/", env!("CARGO_PKG_VERSION"));
        let mut builder = Client::builder(&self.url)
            .timeout(Duration::from_secs(self.timeout))
            .user_agent(agent);
        if let Some(key) = self.api_key.as_deref().map(str::trim) {
            builder = builder.api_key(key);
        }
        builder
            .build()
            .map_err(|error| exit::usage(error.to_string()))
    }

    pub(super) fn namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        Ok(self.client()?.namespace(name))
    }
}
