use super::super::{Bench, set::Set, stores::Variant};

/// A tenth of what the queries read into memory when nothing limits them.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for set in Set::ALL {
        if !bench.args.wants(set) {
            continue;
        }
        let warm = bench.ours(set, Variant::PLAIN, &["--efforts", "recall=0.95"])?;
        let tenth = (warm.cached_bytes / 10).to_string();
        let queries = ["--efforts", "recall=0.95", "--cache-bytes", &tenth];
        let tight = bench.ours(set, Variant::PLAIN, &queries)?;
        let (warm_point, point) = (&warm.curve.points[0], &tight.curve.points[0]);
        let ratio = point.rate / warm_point.rate;
        bench.record.row(
            &format!("{}: cache of a tenth, recall target 0.95", set.name()),
            &format!(
                "{:.0} queries/s, recall {:.3}, {} MB",
                point.rate,
                point.recall,
                tight.cached_bytes / 1_000_000
            ),
            &format!(
                "ours with {} MB: {:.0} queries/s, recall {:.3}",
                warm.cached_bytes / 1_000_000,
                warm_point.rate,
                warm_point.recall
            ),
            Some(ratio),
            "≥ 0.2 ×, same recall",
            Some(ratio >= 0.2 && (point.recall - warm_point.recall).abs() < 0.001),
        );
    }
    Ok(())
}
