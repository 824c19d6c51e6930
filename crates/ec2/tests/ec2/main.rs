//! The client against a server on loopback that says what EC2 and the metadata service say, and worse.

mod images;
mod metadata;
mod query;
mod register;
mod requests;
mod server;
