//! The texts that people carry: session cookies and the links in their mails. Each names its person and
//! holds 256 random bits; what is kept is a hash.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::PersonId;

/// What the value of a session cookie begins with.
pub const SESSION_PREFIX: &str = "qzs_";
/// What the token of a sign-up or of a new password begins with.
pub(crate) const LINK_PREFIX: &str = "qzl_";
const SECRET_BYTES: usize = 32;
const CSRF_CONTEXT: &str = "quartzdb 2026-11 csrf token of a session";

/// A text and what is kept of it.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) person: PersonId,
    /// Of all of the text.
    pub(crate) hash: [u8; 32],
}

/// Makes a text.
pub(crate) fn make(prefix: &str, person: PersonId, random: [u8; SECRET_BYTES]) -> String {
    let mut text = prefix.to_owned();
    URL_SAFE_NO_PAD.encode_string([&person.0[..], &random].concat(), &mut text);
    text
}

/// Takes a text apart; `None` if it is none of these.
pub(crate) fn parse(prefix: &str, text: &str) -> Option<Secret> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
    if bytes.len() != PersonId::BYTES + SECRET_BYTES {
        return None;
    }
    let person = PersonId(*bytes.first_chunk()?);
    Some(Secret {
        person,
        hash: blake3::hash(text.as_bytes()).into(),
    })
}

/// What a page must send along with a session's cookie to change something. Another site's page, which
/// makes a browser send the cookie, cannot read it; who knows it cannot find the cookie.
#[must_use]
pub(crate) fn csrf_token(session: &str) -> String {
    let token = blake3::derive_key(CSRF_CONTEXT, session.as_bytes());
    URL_SAFE_NO_PAD.encode(token)
}

/// Whether `presented` is the token of a session, in a time that does not depend on where they differ.
#[must_use]
pub fn csrf_holds(session: &str, presented: &str) -> bool {
    // Hashes of blake3 compare in constant time.
    blake3::hash(csrf_token(session).as_bytes()) == blake3::hash(presented.as_bytes())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Email;

    #[test]
    fn texts_name_their_person() {
        let ann = PersonId::of(&Email::parse("ann@example.com").unwrap());
        let text = make(SESSION_PREFIX, ann, [7; 32]);
        let secret = parse(SESSION_PREFIX, &text).unwrap();
        assert_eq!(secret.person, ann);
        assert_ne!(
            secret.hash,
            parse(SESSION_PREFIX, &make(SESSION_PREFIX, ann, [8; 32]))
                .unwrap()
                .hash
        );
        for other in [
            "",
            "qzs_",
            "qzs_AAAA",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}A"),
        ] {
            assert!(parse(SESSION_PREFIX, other).is_none(), "{other}");
        }
        assert!(parse(LINK_PREFIX, &text).is_none());
    }

    #[test]
    fn a_csrf_token_is_of_one_session() {
        let token = csrf_token("qzs_a");
        assert!(csrf_holds("qzs_a", &token));
        assert!(!csrf_holds("qzs_b", &token));
        assert!(!csrf_holds("qzs_a", ""));
        assert!(!csrf_holds("qzs_a", "qzs_a"));
    }
}
