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

/// A vector that is in the index, where its sketch stands for it.
pub(crate) struct Vector<'a> {
    pub(crate) sketch: &'a Sketch,
    /// Those of the sketch.
    pub(crate) components: &'a [f32],
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

    /// Of a vector that is in the index.
    pub(crate) fn member(sketch: Sketch) -> Self {
        let components = sketch.components();
        let table = Table::new(&components);
        Self {
            components,
            sketch,
            table,
        }
    }

    pub(crate) fn as_vector(&self) -> Vector<'_> {
        Vector {
            sketch: &self.sketch,
            components: &self.components,
        }
    }
}
