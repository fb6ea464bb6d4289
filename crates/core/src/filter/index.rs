use std::{
    collections::BTreeSet,
    ops::{Bound, Deref},
    sync::Arc,
};

use roaring::RoaringBitmap;

use super::{Filter, Scalar};
use crate::{
    cache::{Kept, Posting},
    error::{Error, Result},
    keys::{
        number::{self, Pair, sortable},
        term::{self, Term},
    },
    namespace::{State, load_bitmap},
    store::{BoxFuture, RowCursor, ScanLimit, StoreError, prefix_end},
};

/// The ordinals of all records that match, through the postings: a few rows for a string or boolean
/// whatever the namespace's size, one row for every 256 numbers in a range;
/// none for what was read lately and has not changed. Expired records that are
/// not yet swept are among them.
///
/// # Errors
/// When the filter names a field that is not indexed, or the store fails.
pub(crate) async fn select(filter: &Filter, state: &State) -> Result<RoaringBitmap> {
    if let Some(meta) = &state.meta
        && let Some(field) = filter
            .fields()
            .find(|field| !meta.config.indexed_fields.contains(field))
    {
        return Err(Error::NotIndexed {
            field: field.to_owned(),
        });
    }
    Ok(evaluate(filter, state).await?.into_bitmap())
}

/// The records that a part of a filter selects.
enum Selected {
    Posting(Arc<Kept<RoaringBitmap>>),
    Combined(RoaringBitmap),
}

impl Deref for Selected {
    type Target = RoaringBitmap;

    fn deref(&self) -> &RoaringBitmap {
        match self {
            Self::Posting(posting) => posting,
            Self::Combined(combined) => combined,
        }
    }
}

impl Selected {
    fn into_bitmap(self) -> RoaringBitmap {
        match self {
            Self::Posting(posting) => RoaringBitmap::clone(&posting),
            Self::Combined(combined) => combined,
        }
    }
}

fn evaluate<'a>(filter: &'a Filter, state: &'a State) -> BoxFuture<'a, Result<Selected>> {
    Box::pin(async move {
        Ok(Selected::Combined(match filter {
            Filter::All(filters) => {
                let Some((first, rest)) = filters.split_first() else {
                    return Ok(Selected::Combined((*state.records).clone()));
                };
                let mut all = evaluate(first, state).await?;
                for filter in rest {
                    if all.is_empty() {
                        break;
                    }
                    all = Selected::Combined(&*all & &*evaluate(filter, state).await?);
                }
                return Ok(all);
            }
            Filter::Any(filters) => {
                let mut any = RoaringBitmap::new();
                for filter in filters {
                    any |= &*evaluate(filter, state).await?;
                }
                any
            }
            Filter::Not(filter) => &*state.records - &*evaluate(filter, state).await?,
            Filter::OneOf(field, scalars) => {
                let mut any = RoaringBitmap::new();
                for scalar in scalars {
                    any |= &**equal(field, scalar, state).await?;
                }
                any
            }
            Filter::Exists(field) => {
                return term(field, Term::Exists, state)
                    .await
                    .map(Selected::Posting);
            }
            Filter::Equal(field, scalar) => {
                return equal(field, scalar, state).await.map(Selected::Posting);
            }
            Filter::Range(field, lower, upper) => {
                let range = range(field, *lower, *upper, state).await?;
                return Ok(Selected::Posting(range));
            }
        }))
    })
}

type Ordinals = Arc<Kept<RoaringBitmap>>;

async fn term(field: &str, term: Term<'_>, state: &State) -> Result<Ordinals> {
    let posting = Posting {
        prefix: term::prefix(field, term),
        range: None,
    };
    if let Some(known) = state.postings.get(&posting) {
        return Ok(known);
    }
    let ordinals = load_bitmap(&*state.snapshot, &posting.prefix).await?;
    Ok(state.postings.insert(posting, ordinals))
}

async fn equal(field: &str, scalar: &Scalar, state: &State) -> Result<Ordinals> {
    match scalar {
        Scalar::Bool(value) => term(field, Term::Bool(*value), state).await,
        Scalar::String(string) => term(field, Term::String(string), state).await,
        Scalar::Number(number) => {
            let bound = Bound::Included(*number);
            range(field, bound, bound, state).await
        }
    }
}

/// Reads the blocks that overlap the range; only the first and the last need their numbers compared.
async fn range(
    field: &str,
    lower: Bound<f64>,
    upper: Bound<f64>,
    state: &State,
) -> Result<Ordinals> {
    let lowest = match lower {
        Bound::Included(bound) => sortable(bound),
        Bound::Excluded(bound) => sortable(bound).saturating_add(1),
        Bound::Unbounded => 0,
    };
    let highest = match upper {
        Bound::Included(bound) => sortable(bound),
        Bound::Excluded(bound) => sortable(bound).saturating_sub(1),
        Bound::Unbounded => u64::MAX,
    };
    let posting = Posting {
        prefix: number::prefix(field),
        range: Some((lowest, highest)),
    };
    if let Some(known) = state.postings.get(&posting) {
        return Ok(known);
    }
    let mut selected = RoaringBitmap::new();
    if lowest > highest {
        return Ok(state.postings.insert(posting, selected));
    }
    let start = number::key(
        &posting.prefix,
        Pair {
            number: lowest,
            ordinal: 0,
        },
    );
    let end = prefix_end(&posting.prefix);
    let mut cursor = RowCursor::new(&*state.snapshot, start, end, ScanLimit::rows(64));
    let mut ordinals = Vec::new();
    'blocks: while let Some(rows) = cursor.next_page().await? {
        for (key, value) in rows {
            let pairs = number::decode(&value).map_err(|why| StoreError::corrupt_row(&key, why))?;
            let inside = |pair: &&Pair| (lowest..=highest).contains(&pair.number);
            ordinals.extend(pairs.iter().filter(inside).map(|pair| pair.ordinal));
            if pairs.last().is_some_and(|pair| pair.number > highest) {
                break 'blocks;
            }
        }
    }
    ordinals.sort_unstable();
    selected.extend(ordinals);
    Ok(state.postings.insert(posting, selected))
}

/// Every posting a record with this metadata is in: term prefixes, and its numbers by field.
pub(crate) fn postings<'a>(
    metadata: &'a crate::record::Metadata,
    indexed: &crate::namespace::IndexedFields,
) -> (BTreeSet<Vec<u8>>, Vec<(&'a str, u64)>) {
    let mut terms = BTreeSet::new();
    let mut numbers = Vec::new();
    for (name, field) in metadata.iter().filter(|(name, _)| indexed.contains(name)) {
        term::prefixes_of(name, field, &mut terms);
        if let crate::record::Field::Number(number) = field {
            numbers.push((name.as_str(), sortable(*number)));
        }
    }
    (terms, numbers)
}
