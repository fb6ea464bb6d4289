use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::{Error, Result};

/// TLS with ring, checked against the certificates that the operating system trusts.
///
/// For plain `http` nothing is trusted and no certificate store need be there: redirects are not
/// followed, so the configuration is never used.
pub(crate) fn config(https: bool) -> Result<ClientConfig> {
    let failed = |error: rustls::Error| Error::Invalid(format!("TLS cannot be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = if https {
        builder.with_platform_verifier().map_err(failed)?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}
