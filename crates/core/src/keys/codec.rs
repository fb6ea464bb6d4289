//! Reading fields off a stored value without ever reading past its end.

use bytes::{Buf, Bytes};

/// Why stored bytes do not decode.
pub type Malformed = &'static str;

/// Takes fields off the front of a value.
#[derive(Debug)]
pub struct Reader {
    rest: Bytes,
}

macro_rules! numbers {
    ($($name:ident -> $type:ty;)+) => {
        $(
            /// A big-endian number.
            ///
            /// # Errors
            /// When the value is too short.
            pub fn $name(&mut self) -> Result<$type, Malformed> {
                Ok(<$type>::from_be_bytes(self.array()?))
            }
        )+
    };
}

impl Reader {
    /// Reads `value` from its start.
    #[must_use]
    pub const fn new(value: Bytes) -> Self {
        Self { rest: value }
    }

    numbers! {
        u8 -> u8;
        u16 -> u16;
        u32 -> u32;
        u64 -> u64;
        f64 -> f64;
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When the value is too short.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let array = *self.rest.first_chunk().ok_or("the value is too short")?;
        self.rest.advance(N);
        Ok(array)
    }

    /// The next `len` bytes, without copying them.
    ///
    /// # Errors
    /// When the value is too short.
    pub fn bytes(&mut self, len: usize) -> Result<Bytes, Malformed> {
        if self.rest.len() < len {
            return Err("the value is too short");
        }
        Ok(self.rest.split_to(len))
    }

    /// The next `len` bytes as UTF-8.
    ///
    /// # Errors
    /// When the value is too short or not UTF-8.
    pub fn string(&mut self, len: usize) -> Result<String, Malformed> {
        utf8(&self.bytes(len)?)
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err("the value is too long")
        }
    }
}

/// `bytes` as UTF-8.
///
/// # Errors
/// When they are not.
pub fn utf8(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| "a string is not UTF-8")
}
