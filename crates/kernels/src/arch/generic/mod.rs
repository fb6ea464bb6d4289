//! The algorithms shared by the leaves, one macro a family.
//!
//! Why macros: a generic function over a vector trait would have to be `unsafe` throughout, as memchr's
//! is, for safe trait methods cannot carry `#[target_feature]`. Inside functions that do carry it, the
//! intrinsics are safe, so an algorithm is written once here without any `unsafe` and stamped out per
//! leaf.
//!
//! Plain loops throughout: `array::map` and its like are not compiled for the features, and were seen
//! to stay calls in such functions.

#[macro_use]
mod bytes;
#[macro_use]
mod codes;
#[macro_use]
mod distance;
#[macro_use]
mod hadamard;
