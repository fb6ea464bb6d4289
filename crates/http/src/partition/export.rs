//! Export of all partitions: their streams, merged line by line, with one piece of each in memory.

use std::borrow::Cow;

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    response::{IntoResponse as _, Response},
};
use bytes::{Buf as _, Bytes, BytesMut};
use futures::{StreamExt as _, future::join_all, stream};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use quartz_api::VERSION;
use serde::Deserialize;

use super::{
    Partitioned,
    send::{failure, part},
};
use crate::{
    handlers::{Reply, export::LINES},
    problem::Result,
};

/// Lines that are sent on together, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// What a line is ordered by.
#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
}

pub(super) async fn export(space: &Partitioned, request: Request) -> Result<Response> {
    let (head, _) = request.into_parts();
    let calls = space.all().map(|partition| {
        let ask = part(&head, &head.uri, Body::empty());
        space.partitions.call(partition, ask)
    });
    let mut sources = Vec::new();
    let mut version = 0;
    for response in join_all(calls).await {
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let told = body.collect().await.map(Collected::to_bytes);
            return Err(failure(&head.headers, &told.unwrap_or_default()));
        }
        let number = head
            .headers
            .get(VERSION)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        version = version.max(number.unwrap_or(0));
        sources.push(Source::new(body));
    }
    let body = Body::from_stream(stream::try_unfold(sources, merge));
    let mut response = Reply::empty(StatusCode::OK)
        .version(version)
        .header("content-type", HeaderValue::from_static(LINES))
        .into_response();
    *response.body_mut() = body;
    Ok(response)
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The next piece of the merged stream.
async fn merge(mut sources: Vec<Source>) -> Result<Option<(Bytes, Vec<Source>)>, Broken> {
    let mut piece = BytesMut::new();
    while piece.len() < PIECE_BYTES {
        for source in &mut sources {
            source.fill().await?;
        }
        let first = sources
            .iter_mut()
            .filter(|source| source.line.is_some())
            .min_by(|a, b| a.id().cmp(&b.id()));
        let Some((_, line)) = first.and_then(|source| source.line.take()) else {
            break;
        };
        piece.extend_from_slice(&line);
        piece.extend_from_slice(b"\n");
    }
    Ok((!piece.is_empty()).then(|| (piece.freeze(), sources)))
}

/// The export of one partition.
struct Source {
    body: BodyDataStream,
    buffer: BytesMut,
    /// The next line, by the id in it.
    line: Option<(String, Bytes)>,
    ended: bool,
}

impl Source {
    fn new(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            buffer: BytesMut::new(),
            line: None,
            ended: false,
        }
    }

    fn id(&self) -> Option<&str> {
        self.line.as_ref().map(|(id, _)| &id[..])
    }

    /// Sees to it that the next line is there, if there is one.
    async fn fill(&mut self) -> Result<(), Broken> {
        while self.line.is_none() && !self.ended {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(1);
                let id = serde_json::from_slice::<Named<'_>>(&line)?.id.into_owned();
                self.line = Some((id, line));
                return Ok(());
            }
            match self.body.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None if self.buffer.is_empty() => self.ended = true,
                None => return Err("the export of a partition broke off".into()),
            }
        }
        Ok(())
    }
}
