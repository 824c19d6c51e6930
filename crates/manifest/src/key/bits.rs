//! Limits of the length of a key, in bits of the modulus.

/// The bits of the smallest key that is accepted: EC2's own keys have 1,024, and so have users' keys of 2006.
pub const MIN_KEY_BITS: usize = 1024;

/// The bits of the largest key that is accepted.
pub const MAX_KEY_BITS: usize = 8192;
