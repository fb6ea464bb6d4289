use super::{
    super::{
        Bench,
        set::{GROWTH_ROWS, Set},
        stores::Variant,
    },
    speed::EFFORTS,
};

/// The same distribution, a tenth of it and all of it.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let set = Set::Synthetic384;
    if !bench.args.wants(set) {
        return Ok(());
    }
    let tenth = Variant {
        rows: Some(GROWTH_ROWS),
        ..Variant::PLAIN
    };
    let truth = format!("first{GROWTH_ROWS}");
    let small = bench.ours(set, tenth, &[EFFORTS[0], EFFORTS[1], "--truth", &truth])?;
    let large = bench.ours(set, Variant::PLAIN, &EFFORTS)?;
    for recall in [0.95, 0.99] {
        let (Some(small), Some(large)) = (small.curve.at(recall), large.curve.at(recall)) else {
            continue;
        };
        let growth = small.rate / large.rate;
        bench.record.row(
            &format!("time of a query with 10 × the vectors, recall {recall}"),
            &format!(
                "{growth:.2} ×: {:.0} µs with 100,000, {:.0} µs with 1,000,000",
                1e6 / small.rate,
                1e6 / large.rate
            ),
            "",
            None,
            "≤ 2.5 ×",
            (recall == 0.95).then_some(growth <= 2.5),
        );
    }
    Ok(())
}
