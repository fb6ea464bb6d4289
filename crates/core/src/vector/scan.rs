use roaring::RoaringBitmap;

use super::{BLOCK_ORDINALS, Metric, TopK, VectorBlock, metric::length, row_of};
use crate::{
    cache::{Slots, VectorCache},
    keys,
    store::{Result, Snapshot, StoreError},
};

/// The vectors to compare.
pub(crate) struct Candidates<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) blocks: &'a Slots<VectorBlock>,
    pub(crate) cache: &'a VectorCache,
    pub(crate) metric: Metric,
    /// Ordinals; every one has a vector.
    pub(crate) ordinals: &'a RoaringBitmap,
}

/// Up to this many candidates in a block that is not in memory are read one by one.
const SINGLE_READS: u32 = 4;
/// Blocks after which a scan lets other tasks run: about a quarter of a millisecond of work.
const BLOCKS_PER_TURN: usize = 32;

/// Compares `query`, which is [prepared](Metric::prepare), with every candidate and offers each rank to `top`,
/// which comes to hold all that may be among the best by their [portable ranks](Metric::portable_rank).
///
/// Reads memory at its bandwidth where blocks are cached and the candidates are dense; loads a block
/// with one range scan where it is not.
pub(crate) async fn scan(query: &[f32], candidates: &Candidates<'_>, top: &mut TopK) -> Result<()> {
    let Candidates {
        snapshot,
        blocks,
        cache,
        metric,
        ordinals,
    } = candidates;
    let dimension = query.len();
    let query_length = length(query);
    let mut ranks = [0.0; BLOCK_ORDINALS as usize];
    for (turn, (number, wanted)) in BlockMasks::new(ordinals).enumerate() {
        if turn % BLOCKS_PER_TURN == BLOCKS_PER_TURN - 1 {
            yield_now().await;
        }
        let first = number * BLOCK_ORDINALS;
        let block = match blocks.get(cache, number) {
            Some(block) => block,
            None if wanted.count_ones() <= SINGLE_READS => {
                for offset in bits(wanted) {
                    let mut row = single(*snapshot, first + offset, dimension).await?;
                    metric.prepare(&mut row);
                    let row_length = metric.rounding_length(&row);
                    top.widen(metric.margin(dimension, query_length * row_length));
                    let rank = &mut ranks[..1];
                    metric.ranks(query, &row, rank);
                    top.offer(rank[0], first + offset);
                }
                continue;
            }
            None => {
                let block = VectorBlock::load(*snapshot, number, dimension, *metric).await?;
                blocks.insert(cache, number, block)
            }
        };
        if wanted & !block.present != 0 {
            let key = keys::vector::key(first + (wanted & !block.present).trailing_zeros());
            return Err(StoreError::corrupt_row(&key, "missing"));
        }
        top.widen(metric.margin(dimension, query_length * block.longest));
        // Comparing rows in a stretch is so much cheaper that a few unwanted ones are worth it.
        if wanted.count_ones() * 4 >= block.present.count_ones() {
            let ranks = &mut ranks[..block.present.count_ones() as usize];
            block.ranks(*metric, query, 0, ranks);
            for (offset, &rank) in bits(block.present).zip(&*ranks) {
                if wanted >> offset & 1 == 1 {
                    top.offer(rank, first + offset);
                }
            }
        } else {
            for offset in bits(wanted) {
                let rank = &mut ranks[..1];
                block.ranks(*metric, query, row_of(block.present, offset), rank);
                top.offer(rank[0], first + offset);
            }
        }
    }
    Ok(())
}

/// One vector from the store, as it was sent.
pub(crate) async fn single(
    snapshot: &dyn Snapshot,
    ordinal: u32,
    dimension: usize,
) -> Result<Vec<f32>> {
    let key = keys::vector::key(ordinal);
    let corrupt = |why| StoreError::corrupt_row(&key, why);
    let stored = snapshot
        .get(&key)
        .await?
        .ok_or_else(|| corrupt("missing"))?;
    let mut row = Vec::with_capacity(dimension);
    keys::vector::decode_into(&stored, dimension, &mut row).map_err(corrupt)?;
    Ok(row)
}

/// Positions of the bits of a mask, ascending.
fn bits(mask: u64) -> impl Iterator<Item = u32> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let bit = rest.trailing_zeros();
        rest &= rest.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

/// The blocks a set of ordinals touches, each with a mask of the ordinals in it.
struct BlockMasks<'a> {
    ordinals: std::iter::Peekable<roaring::bitmap::Iter<'a>>,
}

impl<'a> BlockMasks<'a> {
    fn new(ordinals: &'a RoaringBitmap) -> Self {
        Self {
            ordinals: ordinals.iter().peekable(),
        }
    }
}

impl Iterator for BlockMasks<'_> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.ordinals.next()?;
        let number = first / BLOCK_ORDINALS;
        let mut mask = 1 << (first % BLOCK_ORDINALS);
        while let Some(ordinal) = self
            .ordinals
            .next_if(|ordinal| ordinal / BLOCK_ORDINALS == number)
        {
            mask |= 1 << (ordinal % BLOCK_ORDINALS);
        }
        Some((number, mask))
    }
}

/// Lets the executor run other tasks once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
