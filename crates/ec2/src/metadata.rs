//! Instance metadata: the facts about itself that an instance of EC2 can ask for.
//!
//! It is plain HTTP at a link-local address, so it never goes through a proxy. Version 2 wants a token first, which is
//! fetched with PUT. Its answer does not get through routers if the instance says so (the hop limit), as behind a
//! container's network; so a token that does not come in time counts as refused.

mod error;

mod service;

mod items;

pub use error::MetadataError;
pub use items::Identity;
pub use service::Metadata;
