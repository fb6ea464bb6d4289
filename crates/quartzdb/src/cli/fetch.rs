use quartz_client::{FetchRequest, Include};

use super::{
    connect::Connect,
    exit, input, list, output,
    query::{parse_include, refuse_empty},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quartz fetch docs intro outro
  quartz fetch docs intro --include vector --json
  quartz fetch docs --body '{\"ids\": [\"intro\"], \"include\": [\"text\"]}'

Exit code 3 if none of the records is there.")]
pub(super) struct Args {
    /// Namespace
    namespace: String,
    /// Ids of the records
    ids: Vec<String>,
    /// Parts of each record: metadata, text, value, vector
    #[arg(long, short, value_delimiter = ',', value_parser = parse_include, default_value = "metadata,text,value")]
    include: Vec<Include>,
    /// The whole request as JSON (`@file`, `-` for standard input)
    #[arg(long, value_name = "JSON", conflicts_with_all = ["ids", "include"])]
    body: Option<String>,
    #[command(flatten)]
    connect: Connect,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let namespace = args.connect.namespace(&args.namespace)?;
    let request = match &args.body {
        Some(body) => input::json(&input::bytes(Some(body))?, "the request")?,
        None => FetchRequest {
            ids: args.ids,
            include: Some(args.include),
        },
    };
    refuse_empty(&request.ids)?;
    let mut fetch = namespace.fetch(request.ids);
    if let Some(parts) = request.include {
        fetch = fetch.include(parts);
    }
    let answer = fetch.await?;
    if args.connect.json {
        output::json(&answer)?;
    } else if !answer.records.is_empty() {
        let mut table = output::table(["id", "version", "metadata", "contents"]);
        table.add_rows(answer.records.iter().map(list::row));
        output::line(table)?;
    }
    if answer.records.is_empty() {
        return Err(exit::not_found("none of these records is there"));
    }
    if !answer.missing.is_empty() && !args.connect.json {
        eprintln!("not there: {}", answer.missing.join(", "));
    }
    Ok(())
}
