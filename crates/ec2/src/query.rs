//! Questions for images.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types::Filter;

use crate::client::Ec2;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::image::Ami;
use crate::names::{AmiId, AmiName, ImageId};

const ACTION: &str = "DescribeImages";

/// The most images that EC2 gives at once.
const PAGE: i32 = 1000;

/// More pages than any account has: a service whose pages never end is stopped here.
const MOST_PAGES: usize = 10_000;

/// A question for images: for those that fit everything that is set here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// The owners: accounts, `self`, `amazon` and others of EC2's words. Without any: all that the caller may launch.
    pub owners: Vec<String>,
    /// Those who may launch them: accounts, `self` for those that were shared with the caller by name, `all` for public ones.
    pub executable_by: Vec<String>,
    /// Only these. One that does not exist is an error.
    pub ids: Vec<ImageId>,
    /// Filters by EC2's names for them (`root-device-type`, `manifest-location`, `name`), each with the values of which
    /// one must fit. `*` and `?` stand for any characters.
    pub filters: Vec<(String, Vec<String>)>,
    /// Also those that are disabled.
    pub include_disabled: bool,
    /// Also those of others that are deprecated.
    pub include_deprecated: bool,
}

impl Query {
    /// All images that the caller may launch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The caller's own images, disabled ones among them.
    pub fn own() -> Self {
        Self { owners: vec!["self".to_owned()], include_disabled: true, ..Self::default() }
    }

    /// One image.
    pub fn id(ami: &AmiId) -> Self {
        Self {
            ids: vec![ami.clone().into()],
            include_disabled: true,
            include_deprecated: true,
            ..Self::default()
        }
    }

    /// With one more filter.
    #[must_use]
    pub fn filter(mut self, name: &str, value: impl Into<String>) -> Self {
        self.filters.push((name.to_owned(), vec![value.into()]));
        self
    }

    fn request(&self, client: &Client) -> DescribeImagesFluentBuilder {
        let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
        let ids: Vec<_> = self.ids.iter().map(ToString::to_string).collect();
        let filters: Vec<_> = self
            .filters
            .iter()
            .map(|(name, values)| {
                Filter::builder().name(name).set_values(Some(values.clone())).build()
            })
            .collect();
        client
            .describe_images()
            .set_owners(list(&self.owners))
            .set_executable_users(list(&self.executable_by))
            // EC2 refuses pages of a list of identifiers.
            .set_max_results(ids.is_empty().then_some(PAGE))
            .set_image_ids((!ids.is_empty()).then_some(ids))
            .set_include_disabled(self.include_disabled.then_some(true))
            .set_include_deprecated(self.include_deprecated.then_some(true))
            .set_filters((!filters.is_empty()).then_some(filters))
    }
}

impl Ec2 {
    /// The images that fit, in EC2's order. All pages are read.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an identifier that does not exist; EC2's other refusals; those of the way to EC2.
    pub async fn images(
        &self,
        query: &Query,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Vec<Ami>, Error> {
        let mut images = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = |client| query.request(&client).set_next_token(next.clone()).send();
            let answer = self.call(ACTION, on_event, page).await?;
            for image in answer.images.unwrap_or_default() {
                images.push(Ami::of_answer(image).ok_or_else(|| {
                    Error::new(ACTION, ErrorKind::Unreadable, "an image has no identifier")
                })?);
            }
            let token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() || token == next {
                break;
            }
            next = token;
        }
        Ok(images)
    }

    /// The caller's image of this name, disabled or not. There is one at most.
    ///
    /// # Errors
    /// As [`Ec2::images`].
    pub async fn own_image(
        &self,
        name: &AmiName,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Option<Ami>, Error> {
        // No character that an AMI's name may have stands for others in a filter.
        let images = self.images(&Query::own().filter("name", name.as_str()), on_event).await?;
        let fits = |image: &Ami| image.name.as_deref() == Some(name.as_str());
        Ok(images.into_iter().find(fits))
    }
}
