use super::super::{Bench, rivals, set::Set, stores, stores::Variant};

pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for set in Set::ALL {
        if !bench.args.wants(set) {
            continue;
        }
        let loaded = stores::filled(bench.args, set, Variant::PLAIN)?.loaded;
        bench.record.row(
            &format!("{}: durable, searchable inserts, one writer", set.name()),
            &format!(
                "{:.0} vectors/s, 1,000 a commit, the longest of them {:.0} ms",
                loaded.rate, loaded.longest_ms
            ),
            "",
            None,
            "≥ 5,000 at 384",
            (set != Set::Synthetic1536).then_some(loaded.rate >= 5000.0),
        );
        if set == Set::Real {
            let rate = rivals::insert_rate(bench.args, set)?;
            let ratio = loaded.rate / rate;
            bench.record.row(
                "real: durable, searchable inserts, one writer",
                &format!("{:.0} vectors/s", loaded.rate),
                &format!("pgvector HNSW, 1,000 a commit: {rate:.0} vectors/s"),
                Some(ratio),
                "≥ 5 ×",
                Some(ratio >= 5.0),
            );
        }
    }
    Ok(())
}
