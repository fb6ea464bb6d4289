//! TLS for requests that the server makes itself.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those that the system's store vouches for.
    System,
    /// Nobody's: for a client that speaks plain HTTP only.
    Nobody,
}

/// A client's side of TLS; fails where the system has no certificates.
pub(super) fn client(trust: Trust) -> Result<ClientConfig, String> {
    let failed = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match trust {
        Trust::System => builder.with_platform_verifier().map_err(failed)?,
        Trust::Nobody => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}
