use quartz_client::{Include, QueryRequest, QueryResponse};
use serde_json::Value;

use super::{connect::Connect, exit, format, input, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz query docs --id intro --top-k 5 --include text
  quartz query docs --vector '[0.1, 0.9, 0.2]' --filter '{\"lang\": \"en\"}'
  quartz query docs --vector @vector.json --json
  quartz query docs '{\"id\": \"intro\", \"top_k\": 3, \"exact\": true}'")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// The whole request as JSON (`@file`, `-` for standard input)
    #[arg(conflicts_with_all = ["id", "vector", "filter", "top_k", "include", "exact", "recall", "explain"])]
    request: Option<String>,
    /// Look near this record
    #[arg(long, conflicts_with = "vector")]
    id: Option<String>,
    /// Look near this vector: numbers as a JSON list, or base64 (`@file`, `-` for standard input)
    #[arg(long, value_name = "JSON")]
    vector: Option<String>,
    /// Only records whose metadata match this JSON filter (`@file`, `-` for standard input)
    #[arg(long, short, value_name = "JSON")]
    filter: Option<String>,
    /// Most matches
    #[arg(long, short = 'k', default_value = "10")]
    top_k: usize,
    /// Parts of each match: metadata, text, value, vector
    #[arg(long, short, value_delimiter = ',', value_parser = parse_include, default_value = "metadata,text")]
    include: Vec<Include>,
    /// Compare every candidate with full precision
    #[arg(long, conflicts_with = "recall")]
    exact: bool,
    /// The share of the true matches to find on average, 0.90 to 0.999
    #[arg(long)]
    recall: Option<f32>,
    /// Say what was done to find the matches
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let namespace = args.connect.namespace(&args.namespace)?;
    let mut query = namespace.query();
    if args.id.is_none() && args.vector.is_none() {
        let request: QueryRequest =
            input::json(&input::bytes(args.request.as_deref())?, "the query")?;
        query = query.request(request);
    } else {
        query = query.top_k(args.top_k).include(args.include);
        if let Some(id) = args.id {
            query = query.id(id);
        }
        if let Some(vector) = &args.vector {
            query = query.vector(parse_vector(vector)?);
        }
        if let Some(filter) = &args.filter {
            let filter: Value = input::json(&input::bytes(Some(filter))?, "the filter")?;
            query = query.filter(filter);
        }
        if args.exact {
            query = query.exact();
        }
        if let Some(recall) = args.recall {
            query = query.recall(recall);
        }
        if args.explain {
            query = query.explain();
        }
    }
    let answer = query.await?;
    if args.connect.json {
        return output::json(&answer);
    }
    show(&answer)
}

/// Prints matches as a table, with a line about how they were found.
pub(super) fn show(answer: &QueryResponse) -> anyhow::Result<()> {
    if answer.matches.is_empty() {
        return output::line("no match");
    }
    let mut table = output::table(["score", "id", "metadata", "contents"]);
    for found in &answer.matches {
        let [text, value] = [
            found.text.as_deref(),
            found.value.as_ref().map(|value| value.get()),
        ];
        let mut contents: Vec<_> = [text, value]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        if let Some(vector) = &found.vector {
            contents.push(format::vector_start(vector.as_slice()));
        }
        table.add_row([
            format!("{:.4}", found.score),
            found.id.clone(),
            format::metadata(found.metadata.as_ref()),
            format::shorten(&contents.join("\n")),
        ]);
    }
    output::line(table)?;
    let exact = match answer.plan.recall {
        Some(recall) => format!("aimed at {recall} of the true matches"),
        None if answer.plan.exact => "exact".to_owned(),
        None => "approximate".to_owned(),
    };
    if let Some(explain) = &answer.explain {
        output::line(format!(
            "{} of {} clusters, {} vectors scanned, {} refined, {} reranked, {} µs",
            format::count(explain.probes),
            format::count(explain.clusters),
            format::count(explain.scanned),
            format::count(explain.refined),
            format::count(explain.reranked),
            format::count(explain.micros),
        ))?;
    }
    let compared = format::count(answer.plan.scanned);
    output::line(
        console::style(format!(
            "{exact}; {compared} vectors looked at, version {}",
            answer.version
        ))
        .dim(),
    )
}

/// A vector as a JSON list of numbers or as base64.
pub(super) fn parse_vector(argument: &str) -> anyhow::Result<quartz_client::Vector> {
    let bytes = input::bytes(Some(argument))?;
    let bytes = bytes.trim_ascii();
    if bytes.first() == Some(&b'[') {
        return input::json(bytes, "the vector");
    }
    let text = String::from_utf8_lossy(bytes);
    let quoted = serde_json::to_vec(text.trim_matches('"'))?;
    input::json(&quoted, "the vector")
}

/// A part of a record by its name.
pub(super) fn parse_include(word: &str) -> Result<Include, String> {
    match word {
        "metadata" => Ok(Include::Metadata),
        "text" => Ok(Include::Text),
        "value" => Ok(Include::Value),
        "vector" => Ok(Include::Vector),
        _ => Err("a part is metadata, text, value or vector".into()),
    }
}

/// Parts for a command that has a default of its own.
pub(super) fn refuse_empty(ids: &[String]) -> anyhow::Result<()> {
    if ids.is_empty() {
        return Err(exit::usage("name at least one id (see --help)"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_numbers_or_base64() {
        let numbers = parse_vector("[1, -2.5]").unwrap();
        assert_eq!(parse_vector("AACAPwAAIMA=").unwrap(), numbers);
        assert_eq!(parse_vector("\"AACAPwAAIMA=\"").unwrap(), numbers);
        assert!(parse_vector("[1, \"a\"]").is_err());
    }
}
