//! Requests and answers between JavaScript and the router.
//!
//! A crossing costs more than a copy, so a head crosses as one string. On the way in: the method and the target, then
//! names and values of headers in turn, a line each. On the way out: a line with the names of all headers, separated by
//! commas, then their values; most answers have the names of the one before them. Each header costs a request some
//! hundredths, since the platform copies it at every step, so the length of an answer, which the platform itself tells
//! a client, crosses only for who cannot see it else ([`Length`]). Bodies up to 1 MiB cross whole; longer ones, and
//! those of unknown length, piece by piece.

use std::convert::Infallible;

use axum::{
    body::{Body, BodyDataStream, HttpBody as _},
    extract::Request,
    response::Response,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use quartz_http::auth::{ClientAddress, OverTls};
use send_wrapper::SendWrapper;
use tower::{Service, ServiceExt as _};
use wasm_bindgen::{JsCast as _, prelude::*};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// What `body.getReader()` gives.
    #[wasm_bindgen(extends = js_sys::Object)]
    type Reader;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Reader) -> Result<Promise, JsValue>;

    /// The `Response` of JavaScript, made by `exchange.js` in one crossing. A whole body is copied there.
    #[wasm_bindgen(catch, js_name = quartzResponse)]
    fn response(status: u16, headers: &str, body: Option<&[u8]>) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = quartzResponse)]
    fn response_in_pieces(status: u16, headers: &str, body: Pieces) -> Result<JsValue, JsValue>;
}

/// The rest of an answer that comes piece by piece.
#[wasm_bindgen]
pub struct Pieces(BodyDataStream);

#[wasm_bindgen]
impl Pieces {
    /// The next piece; `undefined` at the end.
    ///
    /// # Errors
    /// When the answer breaks off.
    pub async fn next(&mut self) -> Result<Option<Uint8Array>, JsError> {
        match self.0.next().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(Uint8Array::from(&piece[..]))),
            Some(Err(error)) => Err(JsError::new(&error.to_string())),
        }
    }
}

/// Whether an answer crosses with its `Content-Length`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// The front reads an answer of a partition whole only if it knows how long it is, and that of a `HEAD` has no body
    /// to be measured.
    Told,
    /// The platform writes it for the client.
    Seen,
}

/// Answers a request with a `Response` of JavaScript.
pub(crate) async fn answer<S>(
    service: S,
    head: &str,
    body: JsValue,
    length: Length,
) -> Result<JsValue, JsValue>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let request = request(head, body).map_err(|error| JsError::new(&error))?;
    let length = match request.method() {
        &Method::HEAD => Length::Told,
        _ => length,
    };
    match service.oneshot(request).await {
        Ok(response) => reply(response, length).await,
        Err(never) => match never {},
    }
}

/// Method, target and headers of a head.
pub(crate) fn parts(head: &str) -> (&str, &str, &str) {
    let (method, rest) = head.split_once('\n').unwrap_or((head, ""));
    let (target, headers) = rest.split_once('\n').unwrap_or((rest, ""));
    (method, target, headers)
}

fn request(head: &str, body: JsValue) -> Result<Request, String> {
    let (method, target, headers) = parts(head);
    let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
    let uri: Uri = target
        .parse()
        .map_err(|error| format!("{target}: {error}"))?;
    let mut request = Request::new(to_body(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    read_lines(headers, request.headers_mut())?;
    // The platform writes it over whatever a client sends.
    let address = request.headers().get("cf-connecting-ip");
    let address = address.and_then(|address| address.to_str().ok()?.parse().ok());
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    if over_tls(request.headers()) {
        request.extensions_mut().insert(OverTls);
    }
    Ok(request)
}

/// Whether a request has come over TLS; `exchange.js` writes it over whatever a client sends.
pub(crate) fn over_tls(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto");
    scheme.is_some_and(|scheme| scheme == "https")
}

pub(crate) fn read_lines(text: &str, headers: &mut HeaderMap) -> Result<(), String> {
    let mut lines = text.split('\n');
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        let value = header_value(value).map_err(|error| error.to_string())?;
        headers.append(name, value);
    }
    Ok(())
}

/// Each name once, as JavaScript takes them; cookies alone cannot be joined to one line.
fn to_lines(headers: &HeaderMap, length: Length) -> String {
    let mut names = String::with_capacity(256);
    let mut values = String::with_capacity(256);
    let mut last = None;
    // Values of a name follow each other.
    for (name, value) in headers {
        if name == header::CONTENT_LENGTH && length == Length::Seen {
            continue;
        }
        if last == Some(name) && name != header::SET_COOKIE {
            values.push_str(", ");
        } else {
            if last.is_some() {
                names.push(',');
                values.push('\n');
            }
            names.push_str(name.as_str());
        }
        last = Some(name);
        match value.to_str() {
            Ok(text) => values.push_str(text),
            Err(_) => values.extend(value.as_bytes().iter().map(|&byte| char::from(byte))),
        }
    }
    names.push('\n');
    names.push_str(&values);
    names
}

/// JavaScript shows each byte of a header as the character of that number.
fn header_value(text: &str) -> Result<HeaderValue, header::InvalidHeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text);
    }
    let bytes: Vec<_> = text.chars().map(|character| character as u8).collect();
    HeaderValue::from_bytes(&bytes)
}

/// Whether a body is not here as a whole.
pub(crate) fn comes_in_pieces(body: &JsValue) -> bool {
    !body.is_undefined() && !body.is_instance_of::<Uint8Array>()
}

fn to_body(body: JsValue) -> Body {
    if body.is_undefined() {
        return Body::empty();
    }
    match body.dyn_into::<Uint8Array>() {
        Ok(whole) => Body::from(whole.to_vec()),
        Err(reader) => {
            let reader: Reader = reader.unchecked_into();
            let pieces = stream::try_unfold(reader, |reader| async {
                let piece = next_piece(&reader)
                    .await
                    .map_err(|thrown| format!("{thrown:?}"))?;
                Ok::<_, String>(piece.map(|piece| (piece, reader)))
            });
            Body::from_stream(SendWrapper::new(pieces))
        }
    }
}

async fn next_piece(reader: &Reader) -> Result<Option<Bytes>, JsValue> {
    let step = JsFuture::from(reader.read()?).await?;
    if Reflect::get(&step, &"done".into())?.is_truthy() {
        return Ok(None);
    }
    let piece: Uint8Array = Reflect::get(&step, &"value".into())?.dyn_into()?;
    Ok(Some(piece.to_vec().into()))
}

/// Sends a request by a function of JavaScript that takes what [`answer`] takes and gives
/// `[status, headers, body]`.
pub(crate) async fn send(
    function: &Function,
    partition: u16,
    request: Request,
) -> Result<Response, JsValue> {
    let (head, body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let whole = body
        .collect()
        .await
        .map_err(|error| JsError::new(&error.to_string()))?;
    let whole = whole.to_bytes();
    let body = if whole.is_empty() {
        JsValue::UNDEFINED
    } else {
        Uint8Array::from(&whole[..]).into()
    };
    let call = Array::of5(
        &partition.into(),
        &head.method.as_str().into(),
        &target.into(),
        &to_lines(&head.headers, Length::Told).into(),
        &body,
    );
    let sent: Promise = function.apply(&JsValue::UNDEFINED, &call)?.dyn_into()?;
    let answer: Array = JsFuture::from(sent).await?.dyn_into()?;
    let mut response = Response::new(to_body(answer.get(2)));
    let status = answer.get(0).as_f64().unwrap_or_default() as u16;
    *response.status_mut() =
        StatusCode::from_u16(status).map_err(|error| JsError::new(&error.to_string()))?;
    let headers = answer.get(1).as_string().unwrap_or_default();
    read_lines(&headers, response.headers_mut()).map_err(|error| JsError::new(&error))?;
    Ok(response)
}

async fn reply(response: Response, length: Length) -> Result<JsValue, JsValue> {
    let (head, body) = response.into_parts();
    let (status, headers) = (head.status.as_u16(), to_lines(&head.headers, length));
    if body.is_end_stream() {
        self::response(status, &headers, None)
    } else if body.size_hint().exact().is_some() {
        let whole = body
            .collect()
            .await
            .map_err(|error| JsError::new(&error.to_string()))?;
        self::response(status, &headers, Some(&whole.to_bytes()))
    } else {
        response_in_pieces(status, &headers, Pieces(body.into_data_stream()))
    }
}

/// An answer that is a status and nothing more.
pub(crate) fn bare(status: StatusCode) -> Result<JsValue, JsValue> {
    response(status.as_u16(), "", None)
}
