use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

use super::format;

/// Prints a line. A closed pipe is an error here, not a panic.
pub(super) fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Prints a value as JSON: indented for a person, on one line for a program.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() {
        line(serde_json::to_string_pretty(value)?)
    } else {
        json_line(value)
    }
}

/// Prints a value as one line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// Prints a whole list: one JSON object a line, or a table, or what to say if there is nothing.
pub(super) fn rows<T: Serialize, const N: usize>(
    as_json: bool,
    if_empty: &str,
    headings: [&str; N],
    items: &[T],
    row: impl Fn(&T) -> [String; N],
) -> anyhow::Result<()> {
    if as_json {
        return items.iter().try_for_each(json_line);
    }
    if items.is_empty() {
        return line(if_empty);
    }
    let mut table = table(headings);
    table.add_rows(items.iter().map(row));
    line(table)
}

/// Prints one thing: as JSON, or as a table of what is known of it.
pub(super) fn properties<const N: usize>(
    as_json: bool,
    item: &impl Serialize,
    heading: [&str; 2],
    rows: [(&str, String); N],
) -> anyhow::Result<()> {
    if as_json {
        return json(item);
    }
    let mut table = table(heading);
    table.add_rows(rows.map(|(name, value)| [name.to_owned(), value]));
    line(table)
}

/// Prints a secret, which no later command shows, below what it belongs to. `former` is what the secret before
/// still does, and until when.
pub(super) fn secret(
    [(thing, id), (kind, secret)]: [(&str, &str); 2],
    former: Option<(&str, u64)>,
) -> anyhow::Result<()> {
    let width = thing.len().max(kind.len());
    let below = " ".repeat(width);
    line(format_args!("{thing:width$}  {id}"))?;
    line(format_args!("{kind:width$}  {secret}"))?;
    line(format_args!("{below}  shown this once"))?;
    if let Some((does, until)) = former {
        let until = format::moment(Some(until));
        line(format_args!(
            "{below}  the one before {does} too and ends {until}"
        ))?;
    }
    Ok(())
}

/// A table as wide as the terminal, with these headings.
pub(super) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_header(headings);
    if std::io::stdout().is_terminal() {
        let (_, columns) = console::Term::stdout().size();
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns);
    }
    table
}
