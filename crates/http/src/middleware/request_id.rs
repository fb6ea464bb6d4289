use http::{HeaderMap, HeaderValue};

use crate::{names, state::Host};

const MOST_BYTES: usize = 128;

/// The client's request id if it is well formed, else a new one.
pub(super) fn request_id(headers: &HeaderMap, host: &dyn Host) -> HeaderValue {
    if let Some(value) = headers.get(&names::REQUEST_ID)
        && is_well_formed(value.as_bytes())
    {
        return value.clone();
    }
    let id = host.unique_id();
    let digits: [u8; 32] = std::array::from_fn(|at| {
        let digit = (id >> (124 - 4 * at)) as usize & 0xf;
        b"0123456789abcdef"[digit]
    });
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("0"))
}

fn is_well_formed(bytes: &[u8]) -> bool {
    (1..=MOST_BYTES).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clients() {
        for good in ["a", "A-b_c.9", &"x".repeat(128)] {
            assert!(is_well_formed(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"", "ä", "a\n", &"x".repeat(129)] {
            assert!(!is_well_formed(bad.as_bytes()), "{bad}");
        }
    }
}
