//! NumPy's `.npy` files (format version 1, C order), as the data sets come in.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use half::f16;

/// A matrix of vectors.
pub(crate) struct Matrix {
    pub(crate) dimension: usize,
    halves: Vec<u8>,
}

impl Matrix {
    /// Reads a float16 matrix; rows become `f32` when they are asked for.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = Npy::read(path, "<f2")?;
        Ok(Self {
            dimension: *file.shape.get(1).context("not two-dimensional")?,
            halves: file.items,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.halves.len() / 2 / self.dimension
    }

    pub(crate) fn row(&self, row: usize) -> Vec<f32> {
        let start = row * self.dimension * 2;
        let (halves, _) = self.halves[start..start + self.dimension * 2].as_chunks::<2>();
        halves
            .iter()
            .map(|half| f16::from_le_bytes(*half).to_f32())
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Vec<f32>> {
        (0..self.len()).map(|row| self.row(row))
    }
}

/// Whole numbers, row after row, and how many are in a row.
pub(crate) struct Integers {
    pub(crate) width: usize,
    pub(crate) items: Vec<i32>,
}

impl Integers {
    /// Reads an int32 matrix, or a list, which has one row for each number.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = Npy::read(path, "<i4")?;
        let (items, _) = file.items.as_chunks::<4>();
        Ok(Self {
            width: file.shape.get(1).copied().unwrap_or(1),
            items: items.iter().map(|item| i32::from_le_bytes(*item)).collect(),
        })
    }
}

struct Npy {
    shape: Vec<usize>,
    items: Vec<u8>,
}

impl Npy {
    fn read(path: &Path, kind: &str) -> anyhow::Result<Self> {
        let mut bytes =
            fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let length = bytes.get(8..10).context("no header")?;
        let end = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
        let header = std::str::from_utf8(bytes.get(10..end).context("short header")?)?;
        if !header.contains(&format!("'{kind}'")) || !header.contains("'fortran_order': False") {
            bail!("{} is not of type {kind} in C order", path.display());
        }
        let shape = header.split(['(', ')']).nth(1).context("no shape")?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|size| !size.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        bytes.drain(..end);
        Ok(Self {
            shape,
            items: bytes,
        })
    }
}
