use super::{
    super::{Bench, curve::best, set::Set, stores::Variant},
    speed::text,
};

/// `near` is correlated with the queries, `dice` is not; the others are the real set's own.
const FILTERS: [&str; 9] = [
    "near10", "near1", "near01", "dice10", "dice1", "dice01", "len10", "pos10", "cat1",
];

pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let set = Set::Real;
    if !bench.args.wants(set) {
        return Ok(());
    }
    let variant = Variant {
        metadata: true,
        ..Variant::PLAIN
    };
    let efforts = ["--efforts", "recall=0.95,recall=0.97,recall=0.99"];
    let unfiltered = bench.ours(set, variant, &["--efforts", "recall=0.95"])?;
    let unfiltered = unfiltered.curve.points[0].rate;
    for filter in FILTERS {
        let queries = [
            efforts[0], efforts[1], "--filter", filter, "--truth", filter,
        ];
        let ours = bench.ours(set, variant, &queries)?.curve;
        let mut rivals = bench.rivals(set, "filtered.py", filter)?;
        rivals.extend(bench.rivals(set, "qdrant.py", filter)?);
        let asked = &ours.points[0];
        let share = asked.rate / unfiltered;
        bench.record.row(
            &format!("real, filter {filter}: recall where 0.95 was asked, speed over unfiltered"),
            &format!("recall {:.3}, {:.0} queries/s", asked.recall, asked.rate),
            &format!("ours unfiltered: {unfiltered:.0} queries/s"),
            Some(share),
            "recall ≥ 0.95, ≥ 0.5 ×",
            Some(asked.recall >= 0.95 && share >= 0.5),
        );
        let (reading, rival) = (ours.at(0.95), best(&rivals, 0.95));
        let ratio = match (&reading, &rival) {
            (Some(ours), Some(rival)) => Some(ours.rate / rival.rate),
            _ => None,
        };
        bench.record.row(
            &format!("real, filter {filter}: queries/s at recall 0.95"),
            &text(reading.as_ref(), false),
            &text(rival.as_ref(), true),
            ratio,
            "≥ 1 ×",
            Some(reading.is_some() && ratio.is_none_or(|ratio| ratio >= 1.0)),
        );
    }
    Ok(())
}
