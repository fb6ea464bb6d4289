use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// How often a second 1 KiB can be appended to a file and synced, one after the other.
pub(crate) fn rate(directory: &Path, time: Duration) -> anyhow::Result<f64> {
    let mut file = File::create(directory.join("fsync"))?;
    let block = [7; 1024];
    let started = Instant::now();
    let mut syncs = 0;
    while started.elapsed() < time {
        file.write_all(&block)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / started.elapsed().as_secs_f64())
}
