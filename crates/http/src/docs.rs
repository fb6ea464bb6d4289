//! The browsable documentation: Swagger UI, served from this binary, with no word to the internet.

use std::{io::Read as _, sync::LazyLock};

use axum::{body::Body, extract::Path, response::Response};
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, header};
use quartz_api::ErrorCode;

use crate::problem::{Failure, Result};

const PAGE: &str = include_str!("../assets/docs.html");
const INIT: &str = include_str!("../assets/docs.js");
/// Swagger UI 5.35.0 (Apache-2.0, see `assets/swagger-ui.LICENSE`), as published, compressed.
const BUNDLE: &[u8] = include_bytes!("../assets/swagger-ui-bundle.js.gz");
const STYLE: &[u8] = include_bytes!("../assets/swagger-ui.css.gz");

/// Only what comes from here runs; styles may be set by scripts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// `GET /docs`.
pub(crate) async fn page() -> Response {
    respond("text/html; charset=utf-8", Body::from(PAGE))
}

/// `GET /docs/{file}`.
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    static PLAIN_BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(|| unpack(BUNDLE));
    static PLAIN_STYLE: LazyLock<Vec<u8>> = LazyLock::new(|| unpack(STYLE));
    let (content_type, packed, plain) = match name.as_str() {
        "docs.js" => return Ok(respond("text/javascript; charset=utf-8", Body::from(INIT))),
        "swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", BUNDLE, &PLAIN_BUNDLE),
        "swagger-ui.css" => ("text/css; charset=utf-8", STYLE, &PLAIN_STYLE),
        _ => {
            return Err(Failure::new(
                ErrorCode::RouteNotFound,
                "there is no such page",
            ));
        }
    };
    let takes_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let mut response = if takes_gzip {
        let mut response = respond(content_type, Body::from(packed));
        let gzip = HeaderValue::from_static("gzip");
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, gzip);
        response
    } else {
        respond(content_type, Body::from(plain.as_slice()))
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    Ok(response)
}

fn respond(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // The files are part of the program; a test unpacks them.
    let _ = GzDecoder::new(packed).read_to_end(&mut plain);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_unpack() {
        let bundle = String::from_utf8(unpack(BUNDLE)).unwrap();
        assert!(bundle.contains("SwaggerUIBundle") && bundle.len() > 1_000_000);
        assert!(
            String::from_utf8(unpack(STYLE))
                .unwrap()
                .contains(".swagger-ui")
        );
    }
}
