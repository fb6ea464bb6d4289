//! SIGHUP: what can be read again while the server runs is the catalogue of plans.

use std::path::PathBuf;

use quartz_service::Accounts;
use tokio::signal::unix::{SignalKind, signal};

use super::settings;

/// Waits for SIGHUP, again and again. From the moment this returns the signal ends no process.
///
/// # Errors
/// When the signal cannot be listened to.
pub(super) fn run(
    accounts: Accounts,
    plans: Option<PathBuf>,
) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            let Some(path) = &plans else {
                tracing::info!("there is nothing to read again: no catalogue of plans is set");
                continue;
            };
            match settings::catalogue(path) {
                Ok(catalogue) => {
                    accounts.set_plans(catalogue).await;
                    tracing::info!(plans = %path.display(), "the plans were read again");
                }
                // The ones before hold.
                Err(error) => tracing::error!("the plans were not read again: {error:#}"),
            }
        }
    })
}
