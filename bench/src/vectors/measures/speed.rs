use super::super::{
    Bench,
    curve::{Curve, Reading, best},
    set::Set,
    stores::Variant,
};

/// The targets that give our curve.
pub(super) const EFFORTS: [&str; 2] = [
    "--efforts",
    "recall=0.9,recall=0.93,recall=0.95,recall=0.96,recall=0.97,recall=0.98,recall=0.985,recall=0.99,recall=0.995,recall=0.998",
];
const GRAPHS: &str = "hnswlib,hnswlib-32,usearch,faiss-hnsw";

pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for (set, bars) in [
        (Set::Real, [(0.95, 3.0, Some(1.2)), (0.99, 2.5, None)]),
        (
            Set::Synthetic1536,
            [(0.95, 3.0, Some(1.2)), (0.99, 2.5, None)],
        ),
    ] {
        if !bench.args.wants(set) {
            continue;
        }
        let families = [
            ("graphs.py", graph_names(set)),
            ("inverted.py", "IVF"),
            ("qdrant.py", "qdrant"),
        ];
        bench.in_turns(set, &families, &EFFORTS)?;
        let graphs = graphs(bench, set)?;
        let inverted = bench.rivals(set, "inverted.py", "IVF")?;
        let engines = bench.rivals(set, "qdrant.py", "qdrant")?;
        let ours = bench.ours(set, Variant::PLAIN, &EFFORTS)?.curve;
        for (recall, graph_bar, inverted_bar) in bars {
            let what = format!("{}: queries/s at recall {recall}, one thread", set.name());
            versus(bench, &what, &ours, &graphs, recall, Some(graph_bar));
            versus(bench, &what, &ours, &inverted, recall, inverted_bar);
            versus(bench, &what, &ours, &engines, recall, None);
        }
    }
    Ok(())
}

/// On large sets, whose graphs take long to build, fewer of them.
const fn graph_names(set: Set) -> &'static str {
    match set {
        Set::Real => GRAPHS,
        Set::Synthetic384 | Set::Synthetic1536 => "hnswlib,faiss-hnsw",
    }
}

/// The graph libraries on a set.
pub(super) fn graphs(bench: &mut Bench<'_>, set: Set) -> anyhow::Result<Vec<Curve>> {
    bench.rivals(set, "graphs.py", graph_names(set))
}

/// A row: our speed at a recall beside the best of these.
pub(super) fn versus(
    bench: &mut Bench<'_>,
    what: &str,
    ours: &Curve,
    rivals: &[Curve],
    recall: f64,
    bar: Option<f64>,
) {
    let ours = ours.at(recall);
    let rival = best(rivals, recall);
    let ratio = match (&ours, &rival) {
        (Some(ours), Some(rival)) => Some(ours.rate / rival.rate),
        _ => None,
    };
    bench.record.row(
        what,
        &text(ours.as_ref(), false),
        &text(rival.as_ref(), true),
        ratio,
        &bar.map_or("-".into(), |bar| format!("≥ {bar} ×")),
        bar.map(|bar| ratio.is_some_and(|ratio| ratio >= bar)),
    );
}

pub(super) fn text(reading: Option<&Reading>, named: bool) -> String {
    match reading {
        None => "does not get there".into(),
        Some(reading) => {
            let name = if named {
                format!("{}: ", reading.name)
            } else {
                String::new()
            };
            format!(
                "{name}{:.0} queries/s, recall {:.3}, {}",
                reading.rate, reading.recall, reading.point.effort
            )
        }
    }
}
