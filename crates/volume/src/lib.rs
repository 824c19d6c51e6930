//! A live root becomes an image: walk, filter, layout, boot chain.
