//! Tags of an image that a request makes.

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

/// The tags of the image, or `None` without any: EC2 refuses a specification of nothing.
pub(crate) fn tags_of_image(tags: &[(String, String)]) -> Option<Vec<TagSpecification>> {
    if tags.is_empty() {
        return None;
    }
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let specification = TagSpecification::builder().resource_type(ResourceType::Image);
    Some(vec![specification.set_tags(Some(tags.collect())).build()])
}
