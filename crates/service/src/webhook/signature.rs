use base64::{Engine as _, engine::general_purpose::STANDARD};
use standardwebhooks::{Webhook, WebhookError};

/// The secret as its owner gets it.
#[must_use]
pub fn secret_text(secret: &[u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// The `webhook-signature` of a message: one for each secret that signs, with a space between.
///
/// # Errors
/// When the body is not UTF-8.
pub fn sign(
    secrets: &[[u8; 32]],
    id: &str,
    seconds: u64,
    body: &[u8],
) -> Result<String, WebhookError> {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        signatures.push(Webhook::from_bytes(secret.to_vec())?.sign(id, seconds, body)?);
    }
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_scheme() {
        // From the specification's reference implementations, whose secret has 24 bytes.
        let hook = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = hook.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature.unwrap(), expected);
    }

    #[test]
    fn each_secret_signs() {
        let (one, two) = ([1; 32], [2; 32]);
        let both = sign(&[one, two], "id", 7, b"{}").unwrap();
        let parts: Vec<_> = both.split(' ').collect();
        assert_eq!(parts[0], sign(&[one], "id", 7, b"{}").unwrap());
        assert_eq!(parts[1], sign(&[two], "id", 7, b"{}").unwrap());
        assert_ne!(parts[0], sign(&[one], "id", 8, b"{}").unwrap());
        let parsed = Webhook::new(&secret_text(&one)).unwrap();
        assert_eq!(parsed.sign("id", 7, b"{}").unwrap(), parts[0]);
    }
}
