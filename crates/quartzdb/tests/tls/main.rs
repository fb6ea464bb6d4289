//! The client against a server behind TLS, as it stands on the internet.
//!
//! The certificates in `certificates/` are for `localhost`, signed by an authority that nobody trusts
//! unless told to, and whose key is gone.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

#[path = "../support/process.rs"]
#[expect(dead_code, reason = "for the other tests")]
mod process;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use process::{Server, Setup, quartz, text};

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls/certificates")
        .join(name)
}

/// Ends TLS in front of a server, as a load balancer does; gives the port.
fn terminate(runtime: &Runtime, server: SocketAddr) -> u16 {
    let chain = CertificateDer::pem_file_iter(certificate("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate("localhost.key")).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (Ok(mut outside), Ok(mut inside)) = (
                    acceptor.accept(stream).await,
                    TcpStream::connect(server).await,
                ) else {
                    return;
                };
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

/// Runs the command line with this certificate file in place of the system's.
fn run(url: &str, server: &Server, trusted: &Path, arguments: &[&str]) -> Output {
    quartz()
        .args(arguments)
        .args(["--url", url, "--api-key", &server.key])
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap()
}

#[test]
fn the_client_talks_to_whom_it_trusts_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new(folder.path().join("data")).start();
    let address = server.url.trim_start_matches("http://").parse().unwrap();
    let runtime = Runtime::new().unwrap();
    let port = terminate(&runtime, address);
    let url = format!("https://localhost:{port}");
    let authority = certificate("authority.pem");

    let put = run(
        &url,
        &server,
        &authority,
        &["put", "notes", "hello", "over TLS"],
    );
    assert!(put.status.success(), "{}", text(&put.stderr));
    let get = run(&url, &server, &authority, &["get", "notes", "hello"]);
    assert!(get.status.success(), "{}", text(&get.stderr));
    assert_eq!(text(&get.stdout).trim_end(), "over TLS");

    // Another name than the certificate's.
    let address = format!("https://127.0.0.1:{port}");
    let wrong = run(&address, &server, &authority, &["get", "notes", "hello"]);
    assert_eq!(wrong.status.code(), Some(6), "{}", text(&wrong.stderr));
    assert!(
        text(&wrong.stderr).contains("certificate"),
        "{}",
        text(&wrong.stderr)
    );

    // An authority that nobody trusts. The server's own certificate is no authority.
    let stranger = certificate("localhost.pem");
    let unknown = run(&url, &server, &stranger, &["get", "notes", "hello"]);
    assert_eq!(unknown.status.code(), Some(6), "{}", text(&unknown.stderr));
    assert!(
        text(&unknown.stderr).contains("certificate"),
        "{}",
        text(&unknown.stderr)
    );
    assert!(unknown.stdout.is_empty());
}
