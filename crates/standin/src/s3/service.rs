//! The state that every operation of S3 works on.

use std::sync::Arc;

use super::acl;
use crate::world::World;

/// The operations of S3 on a world.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) world: Arc<World>,
    /// The canonical user that the account is.
    pub(crate) owner: String,
}

impl Service {
    /// S3 on a world.
    pub(crate) fn new(world: Arc<World>) -> Self {
        let owner = acl::canonical(&world.account);
        Self { world, owner }
    }
}
