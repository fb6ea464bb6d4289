//! Numbers, times and records as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{HumanBytes, HumanCount, HumanDuration};
use quartz_client::{Metadata, MetadataValue, StoredRecord};

const CELL_CHARS: usize = 160;

pub(super) fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

pub(super) fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// `1 record`, `2,000 records`.
pub(super) fn records(number: u64) -> String {
    let noun = if number == 1 { "record" } else { "records" };
    format!("{} {noun}", count(number))
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// A point in time as seen from now: `in 3 hours`, `2 days ago`, or a dash for none.
pub(super) fn moment(milliseconds: Option<u64>) -> String {
    let Some(moment) = milliseconds else {
        return "–".into();
    };
    let now = now();
    let apart = HumanDuration(Duration::from_secs(moment.abs_diff(now) / 1000));
    if moment > now {
        format!("in {apart}")
    } else {
        format!("{apart} ago")
    }
}

pub(super) fn metadata(metadata: Option<&Metadata>) -> String {
    let fields = metadata.iter().flat_map(|metadata| &metadata.0);
    let words: Vec<_> = fields
        .map(|(name, value)| format!("{name}={}", field(value)))
        .collect();
    shorten(&words.join(" "))
}

fn field(value: &MetadataValue) -> String {
    match value {
        MetadataValue::String(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// The parts of a record that have no column of their own.
pub(super) fn contents(record: &StoredRecord) -> String {
    let mut parts = Vec::new();
    if let Some(text) = &record.text {
        parts.push(text.clone());
    }
    if let Some(value) = &record.value {
        parts.push(value.get().to_owned());
    }
    if let Some(base64) = &record.value_base64 {
        parts.push(format!("({} bytes)", base64.len() / 4 * 3));
    }
    if let Some(vector) = &record.vector {
        parts.push(vector_start(vector.as_slice()));
    }
    shorten(&parts.join("\n"))
}

pub(super) fn vector_start(vector: &[f32]) -> String {
    let start: Vec<_> = vector.iter().take(3).map(|x| format!("{x:.3}")).collect();
    let more = if vector.len() > 3 { ", …" } else { "" };
    format!("[{}{more}] ({})", start.join(", "), vector.len())
}

/// At most one cell full of a text.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_are_cut_between_characters() {
        let long = "ü".repeat(200);
        assert_eq!(shorten(&long).chars().count(), CELL_CHARS + 1);
        assert_eq!(shorten("short"), "short");
        assert_eq!(vector_start(&[1.0, 2.0]), "[1.000, 2.000] (2)");
        assert_eq!(vector_start(&[1.0; 4]), "[1.000, 1.000, 1.000, …] (4)");
        assert!(moment(Some(0)).ends_with(" years ago"));
        assert!(moment(Some(now() + 90_500)).starts_with("in "));
    }
}
