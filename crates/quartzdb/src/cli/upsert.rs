use quartz_client::Record;
use serde::Deserialize;
use serde_json::Value;

use super::{connect::Connect, exit, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz upsert docs '{\"id\": \"a\", \"vector\": [0.1, 0.9], \"metadata\": {\"lang\": \"en\"}}'
  quartz upsert docs @records.json        a record, a list of records or {\"records\": [...]}
  generate | quartz upsert docs -
  quartz upsert docs @new.json --condition '{\"rev\": {\"$lt\": 7}}'

For more than some thousand records use `quartz import`.")]
pub(super) struct Args {
    /// Namespace; created if it is not there
    namespace: String,
    /// Records as JSON (`@file`, `-` for standard input)
    records: Option<String>,
    /// Replace existing records only if their metadata match this JSON filter
    #[arg(long, value_name = "JSON")]
    condition: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    records: Vec<Record>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let records = parse(&input::bytes(args.records.as_deref())?)?;
    let namespace = args.connect.namespace(&args.namespace)?;
    let mut upsert = namespace.upsert(records);
    if let Some(filter) = &args.condition {
        let filter: Value = input::json(&input::bytes(Some(filter))?, "the condition")?;
        upsert = upsert.condition(filter);
    }
    let done = upsert.await?;
    if args.connect.json {
        return output::json(&done);
    }
    let skipped = match done.skipped {
        0 => String::new(),
        n => format!(", skipped {n}"),
    };
    output::line(format_args!(
        "stored {}{skipped} (version {})",
        super::format::records(done.upserted),
        done.version
    ))
}

/// A record, a list of them, the body of a request, or one record a line.
fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Record>> {
    let what = "the record";
    match bytes.trim_ascii_start().first() {
        Some(b'[') => input::json(bytes, "the list of records"),
        Some(b'{') => {
            if let Ok(wrapped) = serde_json::from_slice::<Wrapped>(bytes) {
                return Ok(wrapped.records);
            }
            let records = serde_json::Deserializer::from_slice(bytes).into_iter::<Record>();
            records
                .map(|record| record.map_err(|error| exit::usage(format!("{what}: {error}"))))
                .collect()
        }
        _ => Err(exit::usage(
            "records are JSON objects: {\"id\": \"a\", \"vector\": [0.1, 0.9]}",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_in_four_shapes() {
        let count = |text: &str| parse(text.as_bytes()).map(|records| records.len());
        assert_eq!(count(" {\"id\":\"a\"}").unwrap(), 1);
        assert_eq!(count("[{\"id\":\"a\"},{\"id\":\"b\"}]").unwrap(), 2);
        assert_eq!(count("{\"records\":[{\"id\":\"a\"}]}").unwrap(), 1);
        assert_eq!(count("{\"id\":\"a\"}\n{\"id\":\"b\"}\n").unwrap(), 2);
        let error = count("{\"id\":\"a\",\"vektor\":[1]}").unwrap_err();
        assert!(
            error.to_string().contains("unknown field `vektor`"),
            "{error}"
        );
        assert!(count("hello").is_err());
    }
}
