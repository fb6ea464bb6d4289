use quartz_kernels::{dot_i8, quantise_i8};

/// A vector in eight bits a component, rotated: `scale * codes`. Centroids are sketches too.
///
/// Everything the index decides is decided on sketches, whose products are exact integers, so that an
/// index can be computed again, bit for bit, from what is stored, and is the same on every machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sketch {
    pub(crate) scale: f32,
    pub(crate) codes: Box<[i8]>,
    /// Squared length of `scale * codes`.
    pub(crate) squared_norm: f32,
}

impl Sketch {
    /// Of a rotated vector.
    pub(crate) fn new(rotated: &[f32]) -> Self {
        let mut codes = vec![0; rotated.len()].into_boxed_slice();
        let scale = quantise_i8(rotated, &mut codes);
        Self::from_parts(scale, codes)
    }

    pub(crate) fn from_parts(scale: f32, codes: Box<[i8]>) -> Self {
        let squared_norm = squared_norm(scale, &codes);
        Self {
            scale,
            codes,
            squared_norm,
        }
    }

    pub(crate) fn dot(&self, other: &Self) -> f32 {
        dot_i8(&self.codes, &other.codes) as f32 * (self.scale * other.scale)
    }

    pub(crate) fn components(&self) -> Vec<f32> {
        let mut components = Vec::with_capacity(self.codes.len());
        self.expand(&mut components);
        components
    }

    /// Appends the components.
    pub(crate) fn expand(&self, into: &mut Vec<f32>) {
        into.extend(self.codes.iter().map(|&code| f32::from(code) * self.scale));
    }
}

/// Squared length of `scale * codes`.
pub(crate) fn squared_norm(scale: f32, codes: &[i8]) -> f32 {
    dot_i8(codes, codes) as f32 * (scale * scale)
}
