use core::net::{IpAddr, Ipv6Addr};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Addresses that share their first bits, as in `10.0.0.0/8`. IPv4 is kept as mapped into IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    first: u128,
    bits: u8,
}

impl Network {
    /// Whether it holds an address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        (number(address) ^ self.first) & self.mask() == 0
    }

    /// Whether it holds all of another network.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && (other.first ^ self.first) & self.mask() == 0
    }

    const fn mask(&self) -> u128 {
        match self.bits {
            0 => 0,
            bits => u128::MAX << (128 - bits),
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "an address or network looks like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| FORM)?)),
        };
        let address: IpAddr = address.parse().map_err(|_| FORM)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(FORM);
        }
        let network = Self {
            first: number(address),
            bits: bits + 128 - most,
        };
        Ok(Self {
            first: network.first & network.mask(),
            ..network
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.first);
        match address.to_ipv4_mapped() {
            Some(address) if self.bits >= 96 => write!(f, "{address}/{}", self.bits - 96),
            _ => write!(f, "{address}/{}", self.bits),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network("10.0.0.0/8").holds(address("10.200.3.4")));
        assert!(!network("10.0.0.0/8").holds(address("11.0.0.0")));
        assert!(network("192.0.2.7").holds(address("::ffff:192.0.2.7")));
        assert!(!network("192.0.2.7").holds(address("192.0.2.6")));
        assert!(network("0.0.0.0/0").holds(address("1.2.3.4")));
        assert!(!network("0.0.0.0/0").holds(address("2001:db8::1")));
        assert!(network("::/0").covers(&network("2001:db8::/32")));
        assert!(network("10.0.0.0/8").covers(&network("10.1.0.0/16")));
        assert!(!network("10.1.0.0/16").covers(&network("10.0.0.0/8")));
        assert_eq!(network("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(network("2001:db8::1/32").to_string(), "2001:db8::/32");
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/", "a/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
