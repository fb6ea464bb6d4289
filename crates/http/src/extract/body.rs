//! Request bodies: read up to a limit, unpacked if they are compressed.

use std::io::Write as _;

use axum::body::Body;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt as _;
use quartz_api::ErrorCode;

use crate::problem::{Failure, Result};

/// How much of a body is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimit {
    /// Name of the limit, for the error.
    pub(crate) name: &'static str,
    /// Most bytes, before and after unpacking.
    pub(crate) bytes: usize,
}

impl BodyLimit {
    fn exceeded(self) -> Failure {
        if !matches!(self.name, "body_bytes" | "open_body_bytes") {
            return Failure::limit("the body", self.name, self.bytes);
        }
        Failure::new(
            ErrorCode::BodyTooLarge,
            format!(
                "the body is over the limit {} = {} bytes",
                self.name, self.bytes
            ),
        )
    }
}

/// The whole body.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: BodyLimit) -> Result<Bytes> {
    let mut reader = BodyReader::new(headers, body)?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limit.bytes) {
        return Err(limit.exceeded());
    }
    // Most bodies arrive as one piece, which is then passed on as it is.
    let Some(first) = reader
        .next(limit.bytes)
        .await
        .map_err(|stop| stop.into_failure(limit))?
    else {
        return Ok(Bytes::new());
    };
    let Some(second) = reader
        .next(limit.bytes)
        .await
        .map_err(|stop| stop.into_failure(limit))?
    else {
        return Ok(first);
    };
    let expected = if reader.is_plain() {
        announced.unwrap_or(0)
    } else {
        0
    };
    let mut whole = Vec::with_capacity(expected.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    drop((first, second));
    while let Some(piece) = reader
        .next(limit.bytes)
        .await
        .map_err(|stop| stop.into_failure(limit))?
    {
        let needed = whole.len() + piece.len();
        if needed > whole.capacity() {
            // Twice as much, but no more than a body may have: memory is short at the edge.
            let capacity = needed.max((2 * needed).min(limit.bytes));
            whole.reserve_exact(capacity - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// Packed bytes that are unpacked in one step. At most about a thousand times as many come out.
const STEP_BYTES: usize = 4 << 10;

/// A body piece by piece, unpacked.
pub(crate) struct BodyReader {
    body: Body,
    decoder: Option<MultiGzDecoder<Capped>>,
    /// Came in, not yet unpacked.
    packed: Bytes,
    taken: usize,
}

/// Why no further piece comes.
pub(crate) enum Stop {
    /// More than the limit has come.
    TooLarge,
    /// The body cannot be read.
    Broken(Failure),
}

impl Stop {
    pub(crate) fn into_failure(self, limit: BodyLimit) -> Failure {
        match self {
            Self::TooLarge => limit.exceeded(),
            Self::Broken(failure) => failure,
        }
    }
}

impl BodyReader {
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Result<Self> {
        let decoder = match headers
            .get(header::CONTENT_ENCODING)
            .map(HeaderValue::as_bytes)
        {
            None | Some(b"identity") => None,
            Some(b"gzip" | b"x-gzip") => Some(MultiGzDecoder::new(Capped::default())),
            Some(_) => {
                return Err(Failure::new(
                    ErrorCode::UnsupportedMediaType,
                    "Content-Encoding may be gzip or absent",
                ));
            }
        };
        Ok(Self {
            body,
            decoder,
            packed: Bytes::new(),
            taken: 0,
        })
    }

    fn is_plain(&self) -> bool {
        self.decoder.is_none()
    }

    /// The next piece, never empty, as long as all pieces together have at most `most` bytes.
    pub(crate) async fn next(&mut self, most: usize) -> Result<Option<Bytes>, Stop> {
        loop {
            let piece = match &mut self.decoder {
                Some(decoder) if !self.packed.is_empty() => {
                    let step = self.packed.split_to(self.packed.len().min(STEP_BYTES));
                    decoder.get_mut().room = most - self.taken;
                    let result = decoder.write_all(&step).and_then(|()| decoder.flush());
                    unpacked(decoder.get_mut(), result.is_ok())?
                }
                decoder => match self.body.frame().await {
                    None => break,
                    Some(Err(_)) => {
                        let why = "the body ended before it was complete";
                        return Err(Stop::Broken(Failure::invalid(why)));
                    }
                    Some(Ok(frame)) => match (frame.into_data(), decoder) {
                        (Err(_), _) => continue,
                        (Ok(piece), None) => piece,
                        (Ok(packed), Some(_)) => {
                            self.packed = packed;
                            continue;
                        }
                    },
                },
            };
            if let Some(piece) = self.count(piece, most)? {
                return Ok(Some(piece));
            }
        }
        let Some(mut decoder) = self.decoder.take() else {
            return Ok(None);
        };
        decoder.get_mut().room = most - self.taken;
        let result = decoder.try_finish();
        let rest = unpacked(decoder.get_mut(), result.is_ok())?;
        self.count(rest, most)
    }

    fn count(&mut self, piece: Bytes, most: usize) -> Result<Option<Bytes>, Stop> {
        if piece.len() > most - self.taken {
            return Err(Stop::TooLarge);
        }
        self.taken += piece.len();
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// Starts counting anew, for streams whose limit is per item.
    pub(crate) fn forget_taken(&mut self) {
        self.taken = 0;
    }
}

fn unpacked(sink: &mut Capped, succeeded: bool) -> Result<Bytes, Stop> {
    match succeeded {
        true => Ok(Bytes::from(std::mem::take(&mut sink.bytes))),
        false if sink.full => Err(Stop::TooLarge),
        false => Err(Stop::Broken(Failure::invalid("the body is not valid gzip"))),
    }
}

/// Takes what a decoder gives, up to a limit: a small body may unpack to a very large one.
#[derive(Default)]
struct Capped {
    bytes: Vec<u8>,
    room: usize,
    full: bool,
}

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.room {
            self.full = true;
            return Err(std::io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use futures::executor::block_on;

    use super::*;

    const LIMIT: BodyLimit = BodyLimit {
        name: "body_bytes",
        bytes: 100,
    };

    fn pieces(pieces: &[&[u8]]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|p| Ok::<_, std::io::Error>(Bytes::copy_from_slice(p)))
            .collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn packed() -> HeaderMap {
        [(header::CONTENT_ENCODING, "gzip".parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn pieces_are_joined_up_to_the_limit() {
        let plain = HeaderMap::new();
        let get = |parts: &[&[u8]]| block_on(read(&plain, pieces(parts), LIMIT));
        assert_eq!(get(&[]).unwrap(), "");
        assert_eq!(get(&[b"a", b"", b"bc", b"d"]).unwrap(), "abcd");
        assert_eq!(get(&[&[0; 60], &[0; 40]]).unwrap().len(), 100);
        assert_eq!(
            get(&[&[0; 60], &[0; 41]]).unwrap_err().code,
            ErrorCode::BodyTooLarge
        );
    }

    #[test]
    fn gzip_is_unpacked_up_to_the_limit() {
        let get = |parts: &[&[u8]]| block_on(read(&packed(), pieces(parts), LIMIT));
        let body = gzip(b"hello hello hello");
        assert_eq!(get(&[&body]).unwrap(), "hello hello hello");
        let (front, back) = body.split_at(9);
        assert_eq!(get(&[front, back]).unwrap(), "hello hello hello");
        assert_eq!(get(&[&gzip(&[0; 100])]).unwrap().len(), 100);
        assert_eq!(
            get(&[&gzip(&[0; 101])]).unwrap_err().code,
            ErrorCode::BodyTooLarge
        );
        assert_eq!(
            get(&[&gzip(&vec![0; 9_000])]).unwrap_err().code,
            ErrorCode::BodyTooLarge
        );
        assert_eq!(get(&[front]).unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(
            get(&[b"not gzip"]).unwrap_err().code,
            ErrorCode::InvalidRequest
        );
    }
}
