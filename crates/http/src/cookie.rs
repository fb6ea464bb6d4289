//! Our cookies. Over TLS their names begin with `__Host-`: browsers then take them from this host alone,
//! for all its paths, and send them over TLS only.

use http::{HeaderMap, HeaderValue, header};

/// A session.
pub(crate) const SESSION: Cookie = Cookie {
    name: "quartz_session",
    secure_name: "__Host-quartz_session",
};
/// A single sign-on whose browser is away at the identity provider.
pub(crate) const SSO: Cookie = Cookie {
    name: "quartz_sso",
    secure_name: "__Host-quartz_sso",
};

/// A kind of cookie.
pub(crate) struct Cookie {
    name: &'static str,
    secure_name: &'static str,
}

impl Cookie {
    const fn name(&self, secure: bool) -> &'static str {
        if secure { self.secure_name } else { self.name }
    }

    /// The value of the cookie among the headers of a request.
    pub(crate) fn find<'a>(&self, headers: &'a HeaderMap, secure: bool) -> Option<&'a str> {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'));
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(given, value)| (given == self.name(secure)).then_some(value))
    }

    /// `Set-Cookie` that keeps a value for so long, or with 0 seconds forgets it. Links from other sites
    /// bring the cookie along, so that who comes from a mail or a provider is known; their forms do not.
    pub(crate) fn set(&self, secure: bool, value: &str, seconds: u64) -> HeaderValue {
        let mut text = format!(
            "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax",
            self.name(secure)
        );
        if secure {
            text.push_str("; Secure");
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
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
            SESSION.find(&headers, secure).map(str::to_owned)
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
            SESSION.set(true, "v", 60),
            "__Host-quartz_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            SSO.set(false, "", 0),
            "quartz_sso=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
