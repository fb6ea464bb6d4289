use crate::store::StoreError;

/// Why a namespace did not do what it was asked.
///
/// `operation` is the position of the faulty operation in its write.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A vector has another dimension than the namespace.
    #[error("the vector has {actual} components, the namespace has dimension {expected}")]
    Dimension {
        /// Position in the write; `None` in a query.
        operation: Option<usize>,
        /// Components of the namespace's vectors.
        expected: u32,
        /// Components of the vector at hand.
        actual: usize,
    },
    /// A vector cannot be compared under the metric.
    #[error("{reason}")]
    Vector {
        /// Position in the write; `None` in a query.
        operation: Option<usize>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A precondition does not hold; nothing was changed.
    #[error("{reason}")]
    Precondition {
        /// Position in the write.
        operation: usize,
        /// What was demanded and what is there.
        reason: String,
    },
    /// A patch names a record that is not there; nothing was changed.
    #[error("there is no record {id:?}")]
    NoRecord {
        /// Position in the write; `None` in a query by id.
        operation: Option<usize>,
        /// The id.
        id: String,
    },
    /// A patch would make a record's metadata larger than it allows; nothing was changed.
    #[error("the metadata of {id:?} would have {fields} fields and {bytes} bytes")]
    MetadataTooLarge {
        /// Position in the write.
        operation: usize,
        /// The id.
        id: String,
        /// Fields it would have.
        fields: usize,
        /// Bytes it would have.
        bytes: usize,
    },
    /// A query names a record that has no vector.
    #[error("the record {id:?} has no vector")]
    NoVector {
        /// The id.
        id: String,
    },
    /// A filter names a field that the namespace does not index.
    #[error("the field {field:?} is not in this namespace's indexed_fields")]
    NotIndexed {
        /// The field.
        field: String,
    },
    /// The namespace exists with another configuration.
    #[error("the namespace exists with another configuration: {differs}")]
    Conflict {
        /// Which part differs and how.
        differs: String,
    },
    /// A write would cost more than its payer allows; nothing was changed.
    #[error("the write would cost {units} units, {most} are allowed")]
    TooCostly {
        /// What it would cost.
        units: u64,
        /// What it may.
        most: u64,
    },
    /// An idempotency key came back with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The namespace is being closed or deleted; ask the directory again.
    #[error("the namespace was closed while the request waited")]
    Closed,
}

/// The result of a namespace call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
