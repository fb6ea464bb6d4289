use super::super::{Bench, set::Set, stores::Variant};

pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for set in Set::ALL {
        if !bench.args.wants(set) {
            continue;
        }
        let speed = bench.ours(set, Variant::PLAIN, &["--efforts", "recall=0.95"])?;
        let point = &speed.curve.points[0];
        bench.record.row(
            &format!("{}: recall measured where 0.95 was asked", set.name()),
            &format!(
                "{:.3}, {:.1} of {} clusters, {:.0} of {} codes ({:.1} %), {:.0} reranked",
                point.recall,
                point.clusters,
                speed.clusters,
                point.codes,
                speed.vectors,
                point.codes / speed.vectors as f64 * 100.0,
                point.reranked
            ),
            "",
            None,
            "≥ 0.94",
            Some(point.recall >= 0.94),
        );
    }
    Ok(())
}
