//! Messages to webhooks over HTTP. A tenant chooses the URL, so where it leads is judged by the address
//! that is connected to, not by the name: anything on the public Internet, and what the operator allows.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use quartz_core::store::BoxFuture;
use quartz_service::{
    Courier, Network, Parcel,
    webhook::{OUT_OF_REACH, Reach},
};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use super::tls::{self, Trust};

/// Until a message that nobody takes is given up for now.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks names up, and leaves out addresses that are out of reach.
struct Judged(Reach);

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let reached: Vec<SocketAddr> = found.filter(|one| reach.holds(one.ip())).collect();
            if reached.is_empty() {
                return Err(OUT_OF_REACH.into());
            }
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

/// Sends messages.
pub(super) struct HttpCourier {
    /// Over TLS, to wherever is in reach. Without a certificate store there is none.
    https: Result<(Client, Reach), String>,
    /// In plain text, only into the operator's networks.
    http: Result<(Client, Reach), String>,
}

impl HttpCourier {
    /// A courier that also goes into these networks.
    pub(super) fn new(allowed: &[Network]) -> Self {
        let allowed: Arc<[Network]> = allowed.into();
        Self {
            https: client(Trust::System, Reach::over_tls(Arc::clone(&allowed))),
            http: client(Trust::Nobody, Reach::in_plain_text(allowed)),
        }
    }

    async fn post(&self, parcel: Parcel) -> Result<u16, String> {
        let url = Url::parse(&parcel.url).map_err(|error| error.to_string())?;
        let client = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        let (client, reach) = client.as_ref().map_err(Clone::clone)?;
        // A name is judged when it is looked up.
        if let Some(address) = literal(&url)
            && !reach.holds(address)
        {
            return Err(OUT_OF_REACH.to_owned());
        }
        let mut request = client.post(url).body(parcel.body);
        for (name, value) in parcel.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| cause(&error))?;
        Ok(answer.status().as_u16())
    }
}

impl Courier for HttpCourier {
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<u16, String>> {
        Box::pin(self.post(parcel))
    }
}

fn client(trust: Trust, reach: Reach) -> Result<(Client, Reach), String> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls::client(trust)?)
        // A redirect would lead past the check, and a proxy would resolve names by itself.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Judged(reach.clone())))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("QuartzDB/", env!("CARGO_PKG_VERSION")))
        .build();
    let client = client.map_err(|error| error.to_string())?;
    Ok((client, reach))
}

/// The address that a URL names without a name.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let host = host.strip_prefix('[').unwrap_or(host);
    host.strip_suffix(']').unwrap_or(host).parse().ok()
}

/// What went wrong, without the URL: its path may be a secret.
pub(super) fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(url: &str) -> Parcel {
        Parcel {
            url: url.to_owned(),
            headers: Vec::new(),
            body: b"{}".to_vec(),
        }
    }

    /// A port that takes connections and counts them.
    async fn listener() -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::<std::sync::atomic::AtomicUsize>::default();
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut request = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
                let answer = b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            }
        });
        (address, count)
    }

    #[tokio::test]
    async fn the_inside_is_out_of_reach_however_it_is_called() {
        let (address, connections) = listener().await;
        let port = address.port();
        let courier = HttpCourier::new(&[]);
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0",
            "169.254.169.254",
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:{port}/");
                let answer = courier.send(parcel(&url)).await;
                assert_eq!(answer, Err(OUT_OF_REACH.to_owned()), "{url}");
            }
        }
        assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_operator_allows_networks_and_redirects_are_not_followed() {
        let (address, connections) = listener().await;
        let courier = HttpCourier::new(&["127.0.0.0/8".parse().unwrap()]);
        let url = format!("http://{address}/");
        assert_eq!(courier.send(parcel(&url)).await, Ok(302));
        assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
        let other = courier.send(parcel("http://192.168.0.1:1/")).await;
        assert_eq!(other, Err(OUT_OF_REACH.to_owned()));
        // In plain text not even to the public Internet.
        let public = courier.send(parcel("http://1.1.1.1/")).await;
        assert_eq!(public, Err(OUT_OF_REACH.to_owned()));
    }
}
