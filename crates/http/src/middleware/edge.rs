//! The edge of the router: request id, key, place, deadline, panics, problem bodies, span, metrics.

use std::{
    any::Any,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Either, poll_immediate, ready, select},
};
use http::{HeaderValue, Method, header};
use quartz_api::ErrorCode;
use quartz_service::{Admission, Denial, Grant, Knock, Turn, Visitor};
use tower::{Layer, Service};
use tracing::{Instrument as _, field};

use super::{lingering::Rest, request_id::request_id, route_metrics::RouteTable};
use crate::{
    access::{Access, work},
    auth::{self, Admitted, Caller, ClientAddress, Guest, Secure},
    names,
    problem::{Failure, Result, rate_headers},
    refusal_page,
    state::{App, Host, Place, app},
};

/// Everything below this path needs a key; what is beside it (health, documents, metrics) does not.
const PRIVATE: &str = "/v1";
/// A stream of any length has no deadline.
const NO_DEADLINE: &str = "/v1/namespaces/{ns}/import";

/// How much of its body a request without a key may send before it is cut off.
const DISCARD_BYTES: usize = 2 << 20;

/// Wraps every route and the fallback.
#[derive(Clone)]
pub(crate) struct EdgeLayer(Arc<Edge>);

struct Edge {
    routes: RouteTable,
    access: Access,
}

impl EdgeLayer {
    /// `routes`: every template, for the metrics.
    pub(crate) fn new(routes: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(Edge {
            routes: RouteTable::new(routes),
            access: Access::new(),
        }))
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = EdgeService<S>;

    fn layer(&self, inner: S) -> EdgeService<S> {
        EdgeService {
            inner,
            edge: Arc::clone(&self.0),
        }
    }
}

#[derive(Clone)]
pub(crate) struct EdgeService<S> {
    inner: S,
    edge: Arc<Edge>,
}

impl<S> Service<Request> for EdgeService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let edge = Arc::clone(&self.edge);
        let app = match app(request.extensions()) {
            Ok(app) => app,
            Err(failure) => return Box::pin(ready(Ok(rendered(&failure, "", false)))),
        };
        let started = app.host.monotonic_micros();
        let id = request_id(request.headers(), &*app.host);
        let method = request.method().clone();
        let matched = request.extensions().get::<MatchedPath>().cloned();
        let route = matched.as_ref().map(MatchedPath::as_str);
        let span = tracing::debug_span!(
            "request",
            method = method.as_str(),
            route = route.unwrap_or("unmatched"),
            request_id = id.to_str().unwrap_or_default(),
            traceparent = field::Empty,
        );
        if let Some(traceparent) = traceparent(&request) {
            span.record("traceparent", traceparent);
        }
        let for_people = refusal_page::is_for_people(route, request.headers());
        let has_deadline = route != Some(NO_DEADLINE);
        let rest = Rest::of(&mut request);
        let handling = match edge.admission(&app, &request, route) {
            Ok(Some(Admission::Pending(looked_up))) => {
                let (edge, app) = (Arc::clone(&edge), App::clone(&app));
                let (id, route) = (id.clone(), matched.clone());
                let mut inner = self.inner.clone();
                Handling::Later(Box::pin(async move {
                    let admission = Admission::Ready(looked_up.await);
                    let route = route.as_ref().map(MatchedPath::as_str);
                    let inside =
                        edge.enter(&app, &mut request, route, Some(admission), &id, started)?;
                    Ok((inside, inner.call(request)))
                }))
            }
            Ok(admission) => match edge.enter(&app, &mut request, route, admission, &id, started) {
                Ok(inside) => Handling::Now(Ok((inside, self.inner.call(request)))),
                Err(failure) => Handling::Now(Err(failure)),
            },
            Err(failure) => Handling::Now(Err(failure)),
        };
        let future = async move {
            let in_flight = edge.routes.enter();
            let answer = async {
                let entered = match handling {
                    Handling::Now(entered) => entered,
                    Handling::Later(looked_up) => looked_up.await,
                };
                let (inside, handler, most) = match entered {
                    Ok((inside, handler)) => (inside, Ok(handler), app.limits.body_bytes),
                    Err(failure) => (None, Err(failure), DISCARD_BYTES),
                };
                let mut response = match handler {
                    Ok(handler) => unpanicked(handler).await,
                    Err(failure) => {
                        if failure.held_micros > 0
                            && let Some(pause) = app.host.pause(failure.held_micros.into())
                        {
                            pause.await;
                        }
                        Err(failure)
                    }
                };
                if let Some(inside) = inside {
                    inside.leave(&app, (&method, route_of(&matched)), &mut response);
                }
                if is_failure(&response)
                    && let Some(rest) = rest
                {
                    rest.discard(most).await;
                }
                response
            };
            let response = if has_deadline {
                in_time(answer, &*app.host).await
            } else {
                answer.await
            };
            drop(in_flight);
            let response = finish(response, &id, for_people);
            let micros = app.host.monotonic_micros().saturating_sub(started);
            let route = edge.routes.of(matched.as_ref().map(MatchedPath::as_str));
            route.record(&method, response.status(), micros);
            tracing::debug!(status = response.status().as_u16(), micros, "answered");
            Ok(response)
        };
        Box::pin(future.instrument(span))
    }
}

/// A request that is let in, or is still being looked up.
enum Handling<F> {
    Now(Result<(Option<Inside>, F)>),
    Later(BoxFuture<'static, Result<(Option<Inside>, F)>>),
}

/// What a request holds while it is served.
struct Inside {
    _place: Place,
    turn: Turn,
    /// Nobody on a route that takes no credential.
    caller: Option<Caller>,
}

impl Inside {
    /// Gives everything back and tells what is left of the rate.
    fn leave(self, app: &App, (method, route): (&Method, &str), response: &mut Result<Response>) {
        let refused = match response {
            Ok(response) => response.extensions().get(),
            Err(failure) => Some(&*failure),
        };
        if let Some(caller) = &self.caller
            && refused.is_some_and(|failure| failure.code == ErrorCode::PermissionDenied)
        {
            let (action, code) = (format!("{method} {route}"), ErrorCode::PermissionDenied);
            app.accounts
                .note_denial(&caller.by(), &action, code.as_str());
        }
        match (self.turn.allowance, response) {
            (None, _) => {}
            (Some(allowance), Ok(response)) => match response.extensions_mut().get_mut() {
                Some(Failure {
                    allowance: told, ..
                }) => *told = Some(("account", allowance)),
                None => rate_headers(response.headers_mut(), "account", &allowance),
            },
            (Some(allowance), Err(failure)) => failure.allowance = Some(("account", allowance)),
        }
    }
}

impl Edge {
    /// Asks who makes the request; public routes do not care.
    fn admission(
        &self,
        app: &App,
        request: &Request,
        route: Option<&str>,
    ) -> Result<Option<Admission>> {
        let path = route.unwrap_or(request.uri().path());
        let private = path
            .strip_prefix(PRIVATE)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !private || self.access.is_open(request.method(), route) {
            return Ok(None);
        }
        if let Some(Admitted(grant)) = request.extensions().get() {
            return Ok(Some(Admission::Ready(Ok(Arc::clone(grant)))));
        }
        let Secure(secure) = Secure::of(app, request.extensions());
        let credential = auth::credential(request.method(), request.headers(), secure)?;
        let address = address(request);
        Ok(Some(app.gatekeeper.admit(Knock {
            credential,
            address,
        })))
    }

    /// Puts a denial into the audit log of the caller's account.
    fn note_denial(
        app: &App,
        request: &Request,
        route: Option<&str>,
        grant: Arc<Grant>,
        id: &HeaderValue,
        failure: &Failure,
    ) {
        let caller = Caller {
            grant,
            address: address(request),
            request_id: id.clone(),
        };
        let action = format!("{} {}", request.method(), route.unwrap_or("(no route)"));
        app.accounts
            .note_denial(&caller.by(), &action, failure.code.as_str());
    }

    /// Lets an admitted request in, if it may do what it wants and there is a place.
    fn enter(
        &self,
        app: &App,
        request: &mut Request,
        route: Option<&str>,
        admission: Option<Admission>,
        id: &HeaderValue,
        started: u64,
    ) -> Result<Option<Inside>> {
        let grant = match admission {
            None if self.access.is_open(request.method(), route) => {
                let guest = Guest(Visitor {
                    address: address(request),
                    request_id: id.to_str().unwrap_or_default().to_owned(),
                    now_micros: started,
                });
                request.extensions_mut().insert(guest);
                return Ok(Some(Inside {
                    _place: place(app)?,
                    turn: Turn::default(),
                    caller: None,
                }));
            }
            None => return Ok(None),
            Some(Admission::Ready(admitted)) => admitted.map_err(auth::refused)?,
            Some(Admission::Pending(_)) => return Err(auth::refused(Denial::Unknown)),
        };
        if let Err(denial) = self.access.check(&grant, request.method(), route) {
            let failure = auth::refused(denial);
            Self::note_denial(app, request, route, grant, id, &failure);
            return Err(failure);
        }
        let work = work(request.method(), route);
        let turn = grant.enter(work, started, || app.accounts.month());
        let turn = turn.map_err(|denial| {
            let too_fast = matches!(
                denial,
                Denial::Rate(_) | Denial::KeyRate(_) | Denial::Crowded(_)
            );
            Failure {
                held_micros: match too_fast {
                    true => grant.tenant().refusal_wait(started),
                    false => 0,
                },
                ..auth::refused(denial)
            }
        })?;
        let address = address(request);
        let caller = Caller {
            grant,
            address,
            request_id: id.clone(),
        };
        request.extensions_mut().insert(caller.clone());
        Ok(Some(Inside {
            _place: place(app)?,
            turn,
            caller: Some(caller),
        }))
    }
}

/// A place among the requests that are served at once.
fn place(app: &App) -> Result<Place> {
    app.gate.enter().ok_or_else(|| {
        Failure::new(
            ErrorCode::TooManyRequests,
            format!(
                "the server takes {} requests at once (concurrent_requests); retry",
                app.gate.most()
            ),
        )
    })
}

fn route_of(matched: &Option<MatchedPath>) -> &str {
    matched.as_ref().map_or("(no route)", MatchedPath::as_str)
}

fn address(request: &Request) -> Option<core::net::IpAddr> {
    let address = request.extensions().get::<ClientAddress>();
    address.map(|ClientAddress(address)| *address)
}

/// Runs a handler, which may panic.
async fn unpanicked(
    handler: impl Future<Output = Result<Response, Infallible>>,
) -> Result<Response> {
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(never)) => match never {},
        Err(panic) => {
            tracing::error!(message = panic_message(&*panic), "a handler panicked");
            Err(Failure::new(
                ErrorCode::Internal,
                "the server failed on this request; it is in the log under the request id",
            ))
        }
    }
}

/// Waits for an answer until the deadline.
async fn in_time(
    answer: impl Future<Output = Result<Response>>,
    host: &dyn Host,
) -> Result<Response> {
    let mut answer = pin!(answer);
    // Most answers are there at once and need no timer.
    if let Some(response) = poll_immediate(&mut answer).await {
        return response;
    }
    let Some(deadline) = host.deadline() else {
        return answer.await;
    };
    match select(answer, deadline).await {
        Either::Left((response, _)) => response,
        Either::Right(_) => Err(Failure::new(
            ErrorCode::RequestTimeout,
            "the request took too long and was given up; a write may still be done, repeat it \
             with its idempotency key",
        )),
    }
}

fn is_failure(response: &Result<Response>) -> bool {
    match response {
        Ok(response) => response.extensions().get::<Failure>().is_some(),
        Err(_) => true,
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

/// Writes the body of a problem and the request id.
fn finish(response: Result<Response>, id: &HeaderValue, for_people: bool) -> Response {
    let text = id.to_str().unwrap_or_default();
    let mut response = match response {
        Err(failure) => rendered(&failure, text, for_people),
        Ok(mut response) => match response.extensions_mut().remove::<Failure>() {
            None => response,
            Some(failure) => {
                let mut problem = rendered(&failure, text, for_people);
                // A 405 says which methods there are.
                if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
                    problem.headers_mut().insert(header::ALLOW, allow);
                }
                problem
            }
        },
    };
    response
        .headers_mut()
        .insert(&names::REQUEST_ID, id.clone());
    response
}

fn rendered(failure: &Failure, id: &str, for_people: bool) -> Response {
    let (code, status) = (failure.code.as_str(), failure.code.status());
    if status >= 500 {
        tracing::error!(code, status, detail = %failure.detail, "a request failed");
    } else {
        tracing::debug!(code, status, "a request was refused");
    }
    if for_people {
        refusal_page::render(failure, id)
    } else {
        failure.render(id)
    }
}

/// The W3C trace context of the request, if it is well formed.
fn traceparent(request: &Request) -> Option<&str> {
    let text = request.headers().get(&names::TRACEPARENT)?.to_str().ok()?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let well_formed = text.len() == 55
        && text
            .bytes()
            .enumerate()
            .all(|(position, byte)| match position {
                2 | 35 | 52 => byte == b'-',
                _ => hex(byte),
            });
    well_formed.then_some(text)
}
