//! The stand-in from outside: over HTTP, with a client and a signer of the tests' own.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod bundle;
mod client;
mod command;
mod ec2;
mod faults;
mod imds;
mod launch;
mod s3;
