//! The cookie of a session. Over TLS its name begins with `__Host-`: browsers then take it from this host
//! alone, for all its paths, and send it over TLS only.

use http::{HeaderMap, HeaderValue, header};

const NAME: &str = "quartz_session";
const SECURE_NAME: &str = "__Host-quartz_session";

const fn name(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { NAME }
}

/// The value of a session's cookie among the headers of a request.
pub(crate) fn session(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(given, value)| (given == name(secure)).then_some(value))
}

/// `Set-Cookie` that keeps a session for so long, or with 0 seconds forgets it.
pub(crate) fn set(secure: bool, value: &str, seconds: u64) -> HeaderValue {
    let mut text = format!(
        "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax",
        name(secure)
    );
    if secure {
        text.push_str("; Secure");
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_name() {
        let find = |lines: &[&str], secure| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            session(&headers, secure).map(str::to_owned)
        };
        let all = [
            "a=b; quartz_session=plain;c",
            "x; __Host-quartz_session=secure",
        ];
        assert_eq!(find(&all, true).as_deref(), Some("secure"));
        assert_eq!(find(&all, false).as_deref(), Some("plain"));
        // Over TLS a cookie that a neighbour may have set is none.
        assert_eq!(find(&all[..1], true), None);
        assert_eq!(
            find(
                &["quartz_sessions=x", "xquartz_session=x", "quartz_session"],
                false
            ),
            None
        );
    }

    #[test]
    fn a_session_is_for_this_host_and_no_script() {
        assert_eq!(
            set(true, "v", 60),
            "__Host-quartz_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            set(false, "", 0),
            "quartz_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
