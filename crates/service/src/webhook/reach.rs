use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::address::is_public;
use crate::Network;

/// What the log of deliveries says of a message that may not go where its webhook leads.
pub const OUT_OF_REACH: &str = "the address is not one that webhooks may reach (webhook_networks)";

/// Where messages may go.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The whole public Internet.
    public: bool,
    /// Networks that the operator allows.
    allowed: Arc<[Network]>,
}

impl Reach {
    /// Over TLS: to the public Internet, and into the networks that the operator allows.
    #[must_use]
    pub const fn over_tls(allowed: Arc<[Network]>) -> Self {
        let public = true;
        Self { public, allowed }
    }

    /// In plain text: only into the operator's networks.
    #[must_use]
    pub const fn in_plain_text(allowed: Arc<[Network]>) -> Self {
        let public = false;
        Self { public, allowed }
    }

    /// Whether it holds an address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        self.public && is_public(address)
            || self.allowed.iter().any(|network| network.holds(address))
    }

    /// Whether it holds a host as a URL names it, for who cannot see which address a name leads to: then it
    /// is taken for one of the public Internet, except those that always mean this machine.
    #[must_use]
    pub fn holds_host(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').unwrap_or(host);
        if let Ok(address) = bare.strip_suffix(']').unwrap_or(bare).parse() {
            return self.holds(address);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        match name == "localhost" || name.ends_with(".localhost") {
            true => self.holds(Ipv4Addr::LOCALHOST.into()),
            false => self.public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_in_the_networks_of_the_operator() {
        let home: Arc<[Network]> = Arc::new(["127.0.0.0/8".parse().unwrap()]);
        let (tls, plain) = (
            Reach::over_tls(Arc::clone(&home)),
            Reach::in_plain_text(home),
        );
        for host in ["127.0.0.1", "localhost", "api.LOCALHOST."] {
            assert!(tls.holds_host(host) && plain.holds_host(host), "{host}");
        }
        for host in [
            "1.1.1.1",
            "[2606:4700::1111]",
            "example.com",
            "notlocalhost",
        ] {
            assert!(tls.holds_host(host) && !plain.holds_host(host), "{host}");
        }
        for host in ["10.0.0.1", "[::1]", "[fd00::1]", "169.254.169.254"] {
            assert!(!tls.holds_host(host) && !plain.holds_host(host), "{host}");
        }
    }

    #[test]
    fn without_networks_this_machine_is_out_of_reach() {
        let tls = Reach::over_tls(Arc::default());
        for host in [
            "127.0.0.1",
            "[::ffff:127.0.0.1]",
            "localhost",
            "a.localhost",
        ] {
            assert!(!tls.holds_host(host), "{host}");
        }
        assert!(tls.holds_host("example.com"));
    }
}
