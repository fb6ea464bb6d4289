//! Bodies that are read to their end, within bounds, even if the request is refused.
//!
//! A client that is still sending when the connection closes sees a broken pipe, not the answer. So
//! what a refused request still sends is taken and thrown away.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::{Body, BodyDataStream, HttpBody as _},
    extract::Request,
};
use futures::{StreamExt as _, future::poll_fn, stream};
use http::header;

/// The rest of a body, shared between the handler and the edge.
pub(super) struct Rest(Arc<Mutex<BodyDataStream>>);

impl Rest {
    /// Shares the body of a request; `None` if it has none, or if its client waits to be asked.
    pub(super) fn of(request: &mut Request) -> Option<Self> {
        if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
            return None;
        }
        let body = std::mem::take(request.body_mut()).into_data_stream();
        let shared = Arc::new(Mutex::new(body));
        let handlers = Arc::clone(&shared);
        *request.body_mut() = Body::from_stream(stream::poll_fn(move |context| {
            let mut body = handlers.lock().unwrap_or_else(PoisonError::into_inner);
            body.poll_next_unpin(context)
        }));
        Some(Self(shared))
    }

    /// Takes what still comes, up to `most` bytes.
    pub(super) async fn discard(self, most: usize) {
        let mut taken = 0;
        while taken <= most {
            let piece = poll_fn(|context| {
                let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                body.poll_next_unpin(context)
            });
            match piece.await {
                Some(Ok(piece)) => taken += piece.len(),
                Some(Err(_)) | None => break,
            }
        }
    }
}
