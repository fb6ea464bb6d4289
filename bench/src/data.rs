use std::{fs, path::Path};

use anyhow::{Context, bail};
use half::f16;

/// A matrix of vectors.
pub(crate) struct Matrix {
    pub(crate) dimension: usize,
    pub(crate) rows: Vec<f32>,
}

impl Matrix {
    /// Reads a two-dimensional float16 `.npy` file (format version 1, C order).
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = std::str::from_utf8(&bytes[10..10 + header_len])?;
        if !header.contains("'<f2'") || !header.contains("'fortran_order': False") {
            bail!("{} is not a float16 matrix in C order", path.display());
        }
        let shape = header.split(['(', ')']).nth(1).context("no shape")?;
        let dimension = shape
            .split(',')
            .nth(1)
            .context("not two-dimensional")?
            .trim()
            .parse()?;
        let (halves, _) = bytes[10 + header_len..].as_chunks::<2>();
        let rows = halves
            .iter()
            .map(|half| f16::from_le_bytes(*half).to_f32())
            .collect();
        Ok(Self { dimension, rows })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.rows.chunks_exact(self.dimension)
    }
}
