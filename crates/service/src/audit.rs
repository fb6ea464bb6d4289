//! The audit log: writing entries into a commit, reading them, proving that none is changed.

use quartz_core::store::{Batch, Result, ScanLimit, Snapshot};
use serde::{Deserialize, Serialize};

use crate::rows::{
    self, Kind,
    audit::{self, Entry, Head, Linked},
};

/// A page of the log, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Number and entry with its link.
    pub entries: Vec<(u64, Linked)>,
    /// Number after which the next page starts.
    pub next: Option<u64>,
    /// Where the log ended when the page was read.
    pub head: Head,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AuditFault {
    /// A number is missing or out of order.
    #[error("entry {expected} is missing: {found} follows instead")]
    Gap {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The entry before is not the one that this entry was chained to.
    #[error("entry {0} does not follow the entry before it: one of the two was changed")]
    Link(u64),
    /// The last entry is not the one that the head names.
    #[error("the log ends with entry {last}, but {head} were written or the last one was changed")]
    End {
        /// Number of the last entry there is.
        last: u64,
        /// Number of the last entry that was written.
        head: u64,
    },
}

/// Adds an entry to a commit; the new head is to be kept if the commit succeeds.
pub(crate) fn append(batch: &mut Batch, head: Head, entry: Entry) -> Head {
    let sequence = head.sequence + 1;
    let linked = Linked {
        previous: head.hash,
        entry,
    };
    let head = Head {
        sequence,
        hash: linked.hash(sequence),
    };
    batch.put(audit::key(sequence), rows::encode(&linked));
    batch.put(audit::head_key(), rows::encode(&head));
    head
}

/// Reads where the log ends.
pub(crate) async fn head(snapshot: &dyn Snapshot) -> Result<Head> {
    let key = audit::head_key();
    match snapshot.get(&key).await? {
        None => Ok(Head::default()),
        Some(value) => rows::decode(&key, &value),
    }
}

/// Reads up to `limit` entries after number `after`.
pub(crate) async fn page(snapshot: &dyn Snapshot, after: u64, limit: usize) -> Result<AuditPage> {
    let start = audit::key(after.saturating_add(1));
    let page = snapshot
        .scan(&start, &Kind::Audit.end(), ScanLimit::rows(limit))
        .await?;
    let mut entries = Vec::with_capacity(page.rows.len());
    for (key, value) in &page.rows {
        let sequence = u64::from_be_bytes(rows::number(key)?);
        entries.push((sequence, rows::decode(key, value)?));
    }
    let next = page
        .more
        .then(|| entries.last().map_or(after, |last| last.0));
    Ok(AuditPage {
        entries,
        next,
        head: head(snapshot).await?,
    })
}

/// Checks entries that follow one another from the first one on, in any number of calls: `at` is what
/// the call before gave, [`Head::default`] for the first. The end is checked by the caller against
/// the head of the log.
///
/// # Errors
/// The first fault.
pub fn verify_chain(mut at: Head, entries: &[(u64, Linked)]) -> Result<Head, AuditFault> {
    for (sequence, linked) in entries {
        let expected = at.sequence + 1;
        if *sequence != expected {
            return Err(AuditFault::Gap {
                expected,
                found: *sequence,
            });
        }
        if linked.previous != at.hash {
            return Err(AuditFault::Link(*sequence));
        }
        at = Head {
            sequence: *sequence,
            hash: linked.hash(*sequence),
        };
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> (Vec<(u64, Linked)>, Head) {
        let mut head = Head::default();
        let mut entries = Vec::new();
        for at in 1..=count {
            let entry = Entry {
                at,
                action: "key.create".into(),
                ..Entry::default()
            };
            entries.push((
                at,
                Linked {
                    previous: head.hash,
                    entry: entry.clone(),
                },
            ));
            head = append(&mut Batch::default(), head, entry);
        }
        (entries, head)
    }

    #[test]
    fn every_change_to_a_chain_is_noticed() {
        let (entries, head) = chain(5);
        assert_eq!(verify_chain(Head::default(), &entries), Ok(head));
        for at in 0..entries.len() {
            let mut changed = entries.clone();
            changed[at].1.entry.action = "key.revoke".into();
            // A change to the last entry shows against the head only.
            assert_ne!(verify_chain(Head::default(), &changed), Ok(head));
            let mut removed = entries.clone();
            removed.remove(at);
            assert_ne!(verify_chain(Head::default(), &removed), Ok(head));
        }
        let mut swapped = entries;
        swapped.swap(1, 2);
        assert!(verify_chain(Head::default(), &swapped).is_err());
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let linked = |actor: &str, action: &str| Linked {
            previous: [0; 32],
            entry: Entry {
                actor: actor.into(),
                action: action.into(),
                ..Entry::default()
            },
        };
        assert_ne!(linked("ab", "c").hash(1), linked("a", "bc").hash(1));
        assert_ne!(linked("a", "b").hash(1), linked("a", "b").hash(2));
    }
}
