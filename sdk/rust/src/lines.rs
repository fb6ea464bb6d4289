//! JSON Lines over HTTP: exports are read line by line, imports are written the same way.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use quartz_api::{ImportResponse, Record, Vector};
use reqwest::{Method, Response, Url, header::HeaderMap};
use tokio::time::timeout;

use crate::{Client, Error, Result};

/// The lines of an answer, without their line feeds, as they arrive.
pub(crate) fn export(client: Client, url: Result<Url>) -> BoxStream<'static, Result<Bytes>> {
    stream::once(async move {
        let url = url?;
        let name = url.as_str().to_owned();
        let silence = client.transport.timeout();
        let headers = HeaderMap::new();
        let answer = client
            .transport
            .stream(Method::GET, url, headers, Bytes::new().into());
        let response = timeout(silence, answer)
            .await
            .map_err(|_| silent(&name, silence))??;
        let lines = Lines {
            name,
            silence,
            response,
            buffer: BytesMut::new(),
            scanned: 0,
        };
        Ok::<_, Error>(stream::try_unfold(lines, |mut lines| async move {
            let line = lines.next().await?;
            Ok(line.map(|line| (line, lines)))
        }))
    })
    .flat_map(|lines| match lines {
        Ok(lines) => lines.boxed(),
        Err(error) => stream::iter([Err(error)]).boxed(),
    })
    .boxed()
}

struct Lines {
    name: String,
    silence: Duration,
    response: Response,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line feed.
    scanned: usize,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let fresh = &self.buffer[self.scanned..];
            if let Some(end) = fresh.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.split_to(self.scanned + end + 1).freeze();
                self.scanned = 0;
                let line = line.slice(..line.len() - 1);
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            self.scanned = self.buffer.len();
            let chunk = timeout(self.silence, self.response.chunk())
                .await
                .map_err(|_| silent(&self.name, self.silence))?
                .map_err(|error| Error::transport(&self.name, error))?;
            let Some(chunk) = chunk else {
                self.scanned = 0;
                let last = self.buffer.split().freeze();
                return Ok(Some(last).filter(|line| !line.trim_ascii().is_empty()));
            };
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

fn silent(name: &str, silence: Duration) -> Error {
    Error::Transport {
        url: name.to_owned(),
        cause: format!("nothing came for {} seconds", silence.as_secs()).into(),
    }
}

/// Sends the records as one request, a line each. Not repeated on failure: a stream cannot be
/// read twice.
pub(crate) async fn import(
    client: Client,
    url: Result<Url>,
    records: impl Stream<Item = Record> + Send + 'static,
) -> Result<ImportResponse> {
    let lines = records.map(|mut record| {
        record.vector = record.vector.map(Vector::into_base64);
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    });
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        reqwest::header::HeaderValue::from_static("application/x-ndjson"),
    );
    let url = url?;
    let name = url.as_str().to_owned();
    let body = reqwest::Body::wrap_stream(lines);
    let response = client
        .transport
        .stream(Method::POST, url, headers, body)
        .await?;
    let bytes = response
        .bytes()
        .await
        .map_err(|error| Error::transport(&name, error))?;
    serde_json::from_slice(&bytes).map_err(|cause| Error::Decode { url: name, cause })
}
