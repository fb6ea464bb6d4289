use bytes::Bytes;

/// Changes that become visible and durable together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
    bytes: usize,
}

/// One change. A later operation of a batch on the same key wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sets the value under a key.
    Put(Bytes, Bytes),
    /// Removes a key; nothing happens if it is not there.
    Delete(Bytes),
}

impl Batch {
    /// Sets the value under `key`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len();
        self.operations.push(Operation::Put(key, value));
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        let key = key.into();
        self.bytes += key.len();
        self.operations.push(Operation::Delete(key));
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// The operations in order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations in order, by value.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}
