use std::fmt;

/// How exactly vectors are stored. A vector *is* what was stored of it: scores are those of the rounded
/// components, and so is what is read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Precision {
    /// Four bytes a component, as they were sent.
    #[default]
    F32 = 0,
    /// Two bytes a component: eleven bits, up to ±65,504.
    F16 = 1,
    /// One byte a component: 255 steps between plus and minus the largest one.
    Int8 = 2,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

impl Precision {
    /// Bytes that the components of a vector take.
    #[must_use]
    pub const fn bytes(self, dimension: u32) -> u64 {
        let bytes = match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Int8 => 1,
        };
        bytes * dimension as u64
    }
}
