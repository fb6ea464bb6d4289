//! A refusal as a page: for the requests that people's browsers make by themselves, a single sign-on, where
//! no page of ours is there to read a problem document.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, header};

use crate::{handlers::service::single_sign_on::PATH as SSO_PATH, problem::Failure};

const PAGE: &str = include_str!("../assets/refused.html");
/// Nothing is loaded and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Whether a refusal of this request is for a person to read.
pub(crate) fn is_for_people(route: Option<&str>, headers: &HeaderMap) -> bool {
    let is_sign_on = route
        .and_then(|route| route.strip_prefix(SSO_PATH))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_sign_on && takes_html(headers)
}

/// Programs that name no type, or any, are not browsers: those name this one.
fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_html = parts
                .next()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
            is_html && !parts.any(|part| part.replace(' ', "") == "q=0")
        })
}

/// The whole answer: what the problem document says, with the same status.
pub(crate) fn render(failure: &Failure, request_id: &str) -> Response {
    let page = PAGE
        .replace("{title}", &escape(failure.code.title()))
        .replace("{again}", SSO_PATH)
        .replace("{code}", failure.code.as_str())
        .replace("{request_id}", &escape(request_id))
        // Last, as it may hold what others have written.
        .replace("{detail}", &escape(&failure.detail));
    let mut response = failure.render(request_id);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address may hold a code.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    *response.body_mut() = Body::from(page);
    response
}

/// A text as it stands between tags.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use quartz_api::ErrorCode;

    use super::*;

    fn accepting(range: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(range))])
    }

    #[test]
    fn browsers_are_known_by_what_they_take() {
        let callback = Some("/v1/auth/sso/callback");
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (range, expected) in [
            (firefox, true),
            ("application/json, text/HTML ;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
            ("text/html;q=0, */*", false),
            ("text/htmlx", false),
        ] {
            assert_eq!(
                is_for_people(callback, &accepting(range)),
                expected,
                "{range}"
            );
        }
        assert!(!is_for_people(callback, &HeaderMap::new()));
        for route in [Some("/v1/whoami"), Some("/v1/auth/ssox"), None] {
            assert!(!is_for_people(route, &accepting(firefox)), "{route:?}");
        }
    }

    #[test]
    fn nobody_writes_tags_into_it() {
        let failure = Failure::new(ErrorCode::SsoRefused, "<script>{code}</script> & \"'");
        let response = render(&failure, "r-1");
        assert_eq!(response.status(), 403);
        let body = futures::executor::block_on(response.into_body().collect());
        let page = String::from_utf8(body.unwrap().to_bytes().into()).unwrap();
        assert!(
            page.contains("<p>&lt;script&gt;{code}&lt;/script&gt; &amp; &quot;&#39;</p>"),
            "{page}"
        );
        for told in ["sso_refused", "r-1", "href=\"/v1/auth/sso\""] {
            assert!(page.contains(told), "{told}: {page}");
        }
    }
}
