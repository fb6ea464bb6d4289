use axum::{Extension, extract::Request};
use bytes::{Buf as _, Bytes, BytesMut};
use http::header;
use quartz_api::{ErrorCode, ImportResponse, Limits, Metadata, Vector};
use quartz_core::{
    namespace::{Action, Change, Expiry, Operation, Outcome, Precondition},
    usage::Usage,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Reply, write};
use crate::{
    convert::{RecordParts, WireValue, expiry},
    extract::{
        Name, NamespacePath, WriteOptions,
        body::{BodyLimit, BodyReader},
        check_id, parse,
    },
    openapi::{ImportHeaders, NamespaceParams, refuses},
    problem::{Failure, Place, Result},
    state::App,
};

refuses!(Refusals: BudgetExceeded InvalidRequest LimitExceeded DimensionMismatch VectorInvalid BodyTooLarge
    UnsupportedMediaType StorageFull);

/// A slice is written when its lines have this many bytes, however few they are.
const SLICE_BYTES: usize = 8 << 20;

/// A line of an export, or a record as in an upsert.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportRecord {
    /// Name of the record, 1 to 512 bytes.
    #[schema(min_length = 1, max_length = 512)]
    id: String,
    /// Of the exported record; not used.
    #[serde(default, deserialize_with = "quartz_api::whole")]
    #[schema(value_type = Option<u64>)]
    #[expect(
        dead_code,
        reason = "exports have it; an import makes versions of its own"
    )]
    version: Option<u64>,
    /// When the record disappears, milliseconds since 1970.
    #[serde(default, deserialize_with = "quartz_api::whole")]
    expires_at: Option<u64>,
    /// Seconds until the record disappears; not together with `expires_at`.
    #[serde(default, deserialize_with = "quartz_api::whole")]
    #[schema(minimum = 1, maximum = 315360000)]
    ttl: Option<u64>,
    /// What nearest-neighbour queries compare.
    vector: Option<Vector>,
    /// Filterable fields.
    metadata: Option<Metadata>,
    /// Text kept with the record.
    text: Option<String>,
    /// The value, if it is JSON or UTF-8 text.
    #[schema(value_type = Option<serde_json::Value>)]
    value: Option<Box<RawValue>>,
    /// The value as base64, if it is neither JSON nor UTF-8 text.
    #[schema(
        pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
    )]
    value_base64: Option<String>,
    /// Content type of the value.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[ -~]*[!-~][ -~]*$")]
    content_type: Option<String>,
}

/// Import records
///
/// One record a line, as an export writes them; stored in slices of up to 1,000, each atomic. The
/// first bad line ends the import and is named; slices before it stay.
#[utoipa::path(
    post,
    path = "/v1/namespaces/{ns}/import",
    operation_id = "import",
    tag = "Export and import",
    params(NamespaceParams, ImportHeaders),
    request_body(content = ImportRecord, content_type = "application/x-ndjson", description = "One record a line."),
    responses(
        (status = 200, description = "The records are stored.", body = ImportResponse,
            headers(("Quartz-Version" = u64, description = "Version of the namespace."))),
        Refusals,
    ),
)]
pub(crate) async fn import(
    Extension(app): Extension<App>,
    NamespacePath(name): NamespacePath,
    options: WriteOptions,
    request: Request,
) -> Result<Reply> {
    let name = name.many_requests();
    let (parts, body) = request.into_parts();
    check_content_type(&parts.headers)?;
    let mut lines = Lines::new(BodyReader::new(&parts.headers, body)?, &app.limits);
    let mut import = Import {
        app: &app,
        name: &name,
        options,
        slice: Vec::new(),
        line_numbers: Vec::new(),
        bytes: 0,
        done: ImportResponse {
            imported: 0,
            version: 0,
        },
        used: Usage::default(),
    };
    while let Some((number, line)) = lines.next().await? {
        import.take(number, &line).await?;
    }
    let (body, used) = import.finish().await?;
    Ok(Reply::json(&body)?.version(body.version).used(used))
}

pub(crate) fn check_content_type(headers: &http::HeaderMap) -> Result<()> {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim();
    let known = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
    ];
    if known
        .iter()
        .any(|name| media_type.eq_ignore_ascii_case(name))
    {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::UnsupportedMediaType,
        "the body must be JSON Lines with Content-Type: application/x-ndjson",
    ))
}

/// The slice in the making.
struct Import<'a> {
    app: &'a App,
    name: &'a Name,
    options: WriteOptions,
    slice: Vec<Operation>,
    /// The line each operation came from.
    line_numbers: Vec<u64>,
    bytes: usize,
    done: ImportResponse,
    used: Usage,
}

impl Import<'_> {
    async fn take(&mut self, number: u64, line: &[u8]) -> Result<()> {
        let operation =
            operation(line, &self.app.limits).map_err(|failure| in_line(failure, number))?;
        self.slice.push(operation);
        self.line_numbers.push(number);
        self.bytes += line.len();
        if self.slice.len() == self.app.limits.records_per_request || self.bytes >= SLICE_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let change = self
            .options
            .write(Change::Apply(std::mem::take(&mut self.slice)));
        let written = write(self.app, self.name, change, Place::Records).await;
        let written = written.map_err(|failure| self.place(failure))?;
        self.done.imported += written.count(Outcome::Created) + written.count(Outcome::Updated);
        self.done.version = written.version;
        self.used.add(Usage::write(written.units));
        self.line_numbers.clear();
        self.bytes = 0;
        Ok(())
    }

    async fn finish(mut self) -> Result<(ImportResponse, Usage)> {
        if !self.slice.is_empty() || self.done.version == 0 {
            self.write().await?;
        }
        Ok((self.done, self.used))
    }

    /// Turns `records[3].vector` into the line it is.
    fn place(&self, mut failure: Failure) -> Failure {
        let Some(path) = failure.path.take() else {
            return failure;
        };
        let inner = path
            .strip_prefix("records[")
            .and_then(|rest| rest.split_once(']'));
        let number =
            inner.and_then(|(position, _)| self.line_numbers.get(position.parse::<usize>().ok()?));
        let (Some(number), Some((_, part))) = (number, inner) else {
            return failure.at(path);
        };
        let part = part.trim_start_matches('.');
        if !part.is_empty() {
            failure.path = Some(part.to_owned());
        }
        in_line(failure, *number)
    }
}

fn in_line(mut failure: Failure, number: u64) -> Failure {
    failure.detail = format!("line {number}: {}", failure.detail).into();
    failure
}

fn operation(line: &[u8], limits: &Limits) -> Result<Operation> {
    let record: ImportRecord = parse(line)?;
    check_id("the id", &record.id, limits.id_bytes).map_err(|failure| failure.at("id"))?;
    let expiry = match (record.expires_at, record.ttl) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid("expires_at and ttl exclude each other").at("ttl"));
        }
        (Some(at), None) => Expiry::At(at),
        (None, ttl) => expiry(ttl, limits)?,
    };
    let parts = RecordParts {
        vector: record.vector,
        metadata: record.metadata,
        text: record.text,
        value: WireValue {
            value: record.value,
            value_base64: record.value_base64,
            content_type: record.content_type,
        },
        expiry,
    };
    Ok(Operation {
        id: record.id,
        precondition: Precondition::None,
        action: Action::Upsert(parts.contents(limits)?),
    })
}

/// A body line by line, with one line in memory.
pub(crate) struct Lines {
    reader: BodyReader,
    buffer: BytesMut,
    /// Bytes of the buffer that are known to hold no line end.
    searched: usize,
    number: u64,
    most: usize,
    ended: bool,
}

impl Lines {
    pub(crate) fn new(reader: BodyReader, limits: &Limits) -> Self {
        let most = limits.import_line_bytes;
        Self {
            reader,
            buffer: BytesMut::new(),
            searched: 0,
            number: 0,
            most,
            ended: false,
        }
    }

    /// The next line that is not blank, with its number from 1.
    pub(crate) async fn next(&mut self) -> Result<Option<(u64, Bytes)>> {
        loop {
            let end = self.buffer[self.searched..]
                .iter()
                .position(|&byte| byte == b'\n');
            let line = match end {
                Some(end) => {
                    let line = self.buffer.split_to(self.searched + end);
                    self.buffer.advance(1);
                    line
                }
                None if self.ended && self.buffer.is_empty() => return Ok(None),
                None if self.ended => self.buffer.split(),
                None => {
                    self.searched = self.buffer.len();
                    self.check_length(self.searched)?;
                    self.fill().await?;
                    continue;
                }
            };
            self.check_length(line.len())?;
            self.searched = 0;
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line.freeze())));
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        self.reader.forget_taken();
        // A piece is what came over the wire, or what one step unpacked: small by itself.
        let limit = BodyLimit {
            name: "body_bytes",
            bytes: quartz_api::MAX.body_bytes,
        };
        match self.reader.next(limit.bytes).await {
            Ok(Some(piece)) => self.buffer.extend_from_slice(&piece),
            Ok(None) => self.ended = true,
            Err(stop) => return Err(in_line(stop.into_failure(limit), self.number + 1)),
        }
        Ok(())
    }

    fn check_length(&self, bytes: usize) -> Result<()> {
        if bytes > self.most {
            let failure = Failure::limit("the line", "import_line_bytes", self.most);
            return Err(in_line(failure, self.number + 1));
        }
        Ok(())
    }
}
