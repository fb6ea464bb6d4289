use quartz_kernels::codes::Table;

use super::sketch::Sketch;

/// A rotated vector in every form that it is compared in.
pub(crate) struct Prepared {
    pub(crate) components: Vec<f32>,
    /// For exact products with sketches and centroids.
    pub(crate) sketch: Sketch,
    /// For one-bit codes.
    pub(crate) table: Table,
}

impl Prepared {
    /// Of a rotated query.
    pub(crate) fn query(rotated: Vec<f32>) -> Self {
        let sketch = Sketch::new(&rotated);
        let table = Table::new(&rotated);
        Self {
            components: rotated,
            sketch,
            table,
        }
    }

    /// Of a vector that is in the index, where its sketch stands for it.
    pub(crate) fn member(sketch: Sketch) -> Self {
        let components = sketch.components();
        let table = Table::new(&components);
        Self {
            components,
            sketch,
            table,
        }
    }
}
