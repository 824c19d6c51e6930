//! The lengths of keys that are used, in bits of the modulus.

/// The smallest key that is used: EC2's own ones have 1,024 bits, as have users' of 2006.
pub const MIN_KEY_BITS: usize = 1024;

/// The largest key that is used.
pub const MAX_KEY_BITS: usize = 8192;
