use super::{
    super::{Bench, curve::Curve, rivals, set::Set},
    speed::versus,
};
use crate::server::Server;

/// Server and client share the processors; eight connections.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let set = Set::Real;
    if !bench.args.wants(set) {
        return Ok(());
    }
    let chroma = bench.rivals(set, "server_chroma.py", "chroma")?;
    let postgres = bench.rivals(set, "server_postgres.py", "curve")?;
    let data = super::cold::imported(bench, set)?;
    let server = Server::start(&bench.args.quartz, &data)?;
    let place = format!("{},{}", server.url, server.api_key);
    let ours: Vec<Curve> = rivals::measure(bench.args, set, "server_quartz.py", &place)?;
    for curve in &ours {
        bench.record.curve(set.name(), curve);
    }
    for recall in [0.95, 0.99] {
        let what =
            format!("real, over HTTP, 2 cores with the client: queries/s at recall {recall}");
        for rivals in [&chroma, &postgres] {
            versus(
                bench,
                &what,
                &ours[0],
                rivals,
                recall,
                (recall < 0.99).then_some(3.0),
            );
        }
    }
    Ok(())
}
