use super::super::{Bench, set::Set, stores::Variant};

/// More than any set has: every cluster is read.
const ALL: &str = "probes=4000000";

/// What the cache holds after every cluster has been read, less what it holds after an exact search,
/// which reads the full vectors and nothing else. The growth of the process is shown beside it: it
/// includes what is not in the cache, the routing to the clusters.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for set in Set::ALL {
        if !bench.args.wants(set) {
            continue;
        }
        let few = ["--queries", "2", "--efforts"];
        let exact = bench.ours(set, Variant::PLAIN, &[few[0], few[1], few[2], "exact"])?;
        let both = format!("exact,{ALL}");
        let both = bench.ours(set, Variant::PLAIN, &[few[0], few[1], few[2], &both])?;
        let raw = (both.vectors * both.dimension as u64 * 4) as f64;
        let share = (both.cached_bytes - exact.cached_bytes) as f64 / raw;
        let resident = both.resident_bytes.saturating_sub(exact.resident_bytes) as f64 / raw;
        bench.record.row(
            &format!(
                "{}: memory of the index over the raw f32 vectors",
                set.name()
            ),
            &format!("{share:.3} × ({resident:.3} × by the growth of the process)"),
            "",
            None,
            "≤ 0.4 × with 8-bit refinement",
            Some(share <= 0.4),
        );
    }
    Ok(())
}
