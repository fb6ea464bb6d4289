use super::super::{
    Bench,
    ours::Order,
    set::{CHURN_ROWS, Set},
    stores::Variant,
};

/// Recall at equal effort: the same number of clusters scanned, and the same target.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let of = |order, rows| Variant {
        order,
        rows,
        metadata: false,
    };
    let truth = format!("first{CHURN_ROWS}");
    let rows = Some(CHURN_ROWS);
    let churned = of(Order::Churn, None);
    if bench.args.wants(Set::Real) {
        compare(
            bench,
            Set::Real,
            "half updated or deleted",
            of(Order::Given, rows),
            churned,
            &truth,
        )?;
    }
    for set in Set::ALL {
        if bench.args.wants(set) {
            let sorted = of(Order::Topic, None);
            compare(
                bench,
                set,
                "inserted topic after topic",
                Variant::PLAIN,
                sorted,
                "all",
            )?;
        }
    }
    Ok(())
}

fn compare(
    bench: &mut Bench<'_>,
    set: Set,
    what: &str,
    fresh: Variant,
    changed: Variant,
    truth: &str,
) -> anyhow::Result<()> {
    let default = ["--truth", truth, "--efforts", "recall=0.95"];
    let probes = bench.ours(set, fresh, &default)?.curve.points[0].clusters;
    let efforts = format!("recall=0.95,probes={}", probes.round().max(1.0));
    let queries = ["--truth", truth, "--efforts", &efforts];
    let fresh = bench.ours(set, fresh, &queries)?.curve.points;
    let changed = bench.ours(set, changed, &queries)?.curve.points;
    for (fresh, changed) in fresh.iter().zip(&changed) {
        let loss = fresh.recall - changed.recall;
        bench.record.row(
            &format!("{}, {what}: recall at {}", set.name(), fresh.effort),
            &format!(
                "{:.4}, {:.0} codes; fresh {:.4}, {:.0} codes",
                changed.recall, changed.codes, fresh.recall, fresh.codes
            ),
            "",
            None,
            "within 0.01",
            Some(loss <= 0.01),
        );
    }
    Ok(())
}
