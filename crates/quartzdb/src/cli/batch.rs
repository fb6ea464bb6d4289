use quartz_client::{BatchOperation, BatchRequest, OperationResult};

use super::{connect::Connect, exit, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz batch docs '[{\"op\": \"check\", \"id\": \"lock\", \"if_absent\": true},
                      {\"op\": \"put\", \"id\": \"lock\", \"value\": \"me\", \"ttl\": 30}]'
  quartz batch docs @operations.json    a list, one operation a line, or {\"operations\": [...]}
  generate | quartz batch docs -

An operation is check, put, upsert, update or delete, with if_version or if_absent if it depends on
what is there. All are done in order, or none; exit code 4 if a condition does not hold.")]
pub(super) struct Args {
    /// Namespace; created if it is not there
    namespace: String,
    /// Operations as JSON (`@file`, `-` for standard input)
    operations: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let operations = parse(&input::bytes(args.operations.as_deref())?)?;
    let namespace = args.connect.namespace(&args.namespace)?;
    let ids: Vec<_> = operations.iter().map(|each| each.id.clone()).collect();
    let done = namespace.batch(operations).await?;
    if args.connect.json {
        return output::json(&done);
    }
    let mut table = output::table(["id", "result"]);
    for (id, result) in ids.iter().zip(&done.results) {
        table.add_row([id.as_str(), name(*result)]);
    }
    output::line(table)?;
    output::line(format_args!("version {}", done.version))
}

const fn name(result: OperationResult) -> &'static str {
    match result {
        OperationResult::Checked => "checked",
        OperationResult::Created => "created",
        OperationResult::Deleted => "deleted",
        OperationResult::Missing => "missing",
        OperationResult::Updated => "updated",
    }
}

/// A list of operations, the body of a request, or one operation a line.
fn parse(bytes: &[u8]) -> anyhow::Result<Vec<BatchOperation>> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => input::json(bytes, "the list of operations"),
        Some(b'{') => {
            if let Ok(request) = serde_json::from_slice::<BatchRequest>(bytes) {
                return Ok(request.operations);
            }
            serde_json::Deserializer::from_slice(bytes)
                .into_iter::<BatchOperation>()
                .map(|each| each.map_err(|error| exit::usage(format!("the operation: {error}"))))
                .collect()
        }
        _ => Err(exit::usage(
            "operations are JSON objects: {\"op\": \"delete\", \"id\": \"a\"}",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_in_three_shapes() {
        let count = |text: &str| parse(text.as_bytes()).map(|operations| operations.len());
        let one = "{\"op\":\"delete\",\"id\":\"a\"}";
        assert_eq!(count(one).unwrap(), 1);
        assert_eq!(count(&format!("[{one},{one}]")).unwrap(), 2);
        assert_eq!(count(&format!("{{\"operations\":[{one}]}}")).unwrap(), 1);
        assert_eq!(count(&format!("{one}\n{one}\n{one}")).unwrap(), 3);
        let error = count("{\"op\":\"drop\",\"id\":\"a\"}").unwrap_err();
        assert!(
            error.to_string().contains("unknown variant `drop`"),
            "{error}"
        );
        assert!(count("delete a").is_err());
    }
}
