use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest address (RFC 5321).
const MOST: usize = 254;
const LOCAL_MOST: usize = 64;
const LABEL_MOST: usize = 63;

/// An e-mail address as HTML forms take it, in lower case: two spellings are one person. It has no
/// spaces, quotes or line ends, so it can stand in a header, a log or an audit entry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email(String);

impl Email {
    /// The address in `text`.
    ///
    /// ```
    /// use quartz_service::Email;
    /// assert_eq!(Email::parse("Ann@Example.com").unwrap().as_str(), "ann@example.com");
    /// assert!(Email::parse("ann@example.com\r\nBcc: all@example.com").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let atom =
            |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
        let label = |label: &str| {
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=LABEL_MOST).contains(&label.len())
                && label.bytes().all(inside)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let sound = text.len() <= MOST
            && (1..=LOCAL_MOST).contains(&local.len())
            && local.bytes().all(atom)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && domain.split('.').all(label);
        sound.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["a@b", "a.b+c@x-y.example", "O'Neil@EXAMPLE.com", "a@1.2"] {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        let long = format!("{}@b", "a".repeat(65));
        let longer = format!("a@{}", vec!["b".repeat(60); 5].join("."));
        for bad in [
            "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a@b\n", "\"a\"@b", "a@-b", "a@b-",
            "a@b..c", ".a@b", "a.@b", "a..b@c", "ä@b", "a@ä", "<a@b>", "a@b,c@d", &long, &longer,
        ] {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
    }
}
