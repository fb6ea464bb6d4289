//! The token of an invitation: `qzi_<account>_<number>_<secret>`. Whoever gets it knows which account to
//! ask.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::AccountId;

const PREFIX: &str = "qzi_";
const SECRET_CHARS: usize = 43;

pub(crate) fn make(account: AccountId, number: u32, random: [u8; 32]) -> String {
    let mut text = format!("{PREFIX}{account}_{number}_");
    URL_SAFE_NO_PAD.encode_string(random, &mut text);
    text
}

/// The account and the number that a token names.
pub(crate) fn parse(text: &str) -> Option<(AccountId, u32)> {
    let mut parts = text.strip_prefix(PREFIX)?.splitn(3, '_');
    let account = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    let secret = parts.next()?;
    (secret.len() == SECRET_CHARS).then_some((account, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_account() {
        let acme = "acme".parse().unwrap();
        let text = make(acme, 7, [255; 32]);
        assert_eq!(parse(&text), Some((acme, 7)));
        for other in [
            "",
            "qzi_acme_7_",
            "qzi_acme_x_",
            &text[..text.len() - 1],
            &text[1..],
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
