use super::{
    super::{Bench, set::Set, stores::Variant},
    speed::{EFFORTS, graphs, versus},
};

pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let set = Set::Synthetic384;
    if !bench.args.wants(set) {
        return Ok(());
    }
    let graphs = graphs(bench, set)?;
    let inverted = bench.rivals(set, "inverted.py", "IVF")?;
    let ours = bench.ours(set, Variant::PLAIN, &EFFORTS)?.curve;
    let what = "1,000,000 × 384: queries/s at recall 0.95, one thread";
    versus(bench, what, &ours, &graphs, 0.95, Some(2.0));
    versus(bench, what, &ours, &inverted, 0.95, None);
    if let Some(reading) = ours.at(0.95) {
        let point = reading.point;
        let tail = point.p99_us / point.p50_us;
        bench.record.row(
            "1,000,000 × 384: p99 of a query over p50",
            &format!(
                "{tail:.2}: {:.0} µs over {:.0} µs, {}, recall {:.3}",
                point.p99_us, point.p50_us, point.effort, point.recall
            ),
            "",
            None,
            "< 3",
            Some(tail < 3.0),
        );
    }
    Ok(())
}
