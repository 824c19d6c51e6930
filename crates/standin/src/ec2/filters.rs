//! The filters of `DescribeImages`.

use super::ami::View;
use super::form::{Form, fits};
use super::refusal::{Refusal, refuse};

/// The values of an image that a filter is compared with.
enum Values {
    /// The field with this name.
    Field(&'static str),
    Computed(fn(&View<'_>) -> Vec<String>),
}

use Values::{Computed, Field};

/// The filters by name; beside them there is `tag:KEY` for every key.
const FILTERS: [(&str, Values); 16] = [
    ("architecture", Field("architecture")),
    ("creation-date", Field("creationDate")),
    ("description", Field("description")),
    ("image-id", Computed(|view| vec![view.image.id.clone()])),
    ("image-type", Field("imageType")),
    ("is-public", Computed(|view| vec![view.is_public().to_string()])),
    ("kernel-id", Field("kernelId")),
    ("manifest-location", Field("imageLocation")),
    ("name", Field("name")),
    ("owner-id", Computed(|view| vec![view.owner().to_owned()])),
    ("ramdisk-id", Field("ramdiskId")),
    ("root-device-name", Field("rootDeviceName")),
    ("root-device-type", Field("rootDeviceType")),
    ("state", Computed(|view| vec![view.state().to_owned()])),
    ("tag-key", Computed(|view| view.image.tags.keys().cloned().collect())),
    ("virtualization-type", Field("virtualizationType")),
];

/// A filter of a call: its name, and the patterns of which one has to fit.
pub(super) struct Filter {
    name: String,
    patterns: Vec<String>,
}

impl Filter {
    /// Reads the filters of a call; an unknown name is refused.
    pub(super) fn read_all(form: &Form) -> Result<Vec<Self>, Refusal> {
        let mut filters = Vec::new();
        for group in form.groups("Filter") {
            let name = group.get("Name").cloned().unwrap_or_default();
            let patterns = group
                .iter()
                .filter(|(name, _)| name.starts_with("Value."))
                .map(|(_, value)| value.clone())
                .collect();
            if source(&name).is_none() && !name.starts_with("tag:") {
                let message = format!("The filter '{name}' is invalid");
                return Err(refuse("InvalidParameterValue", message));
            }
            filters.push(Self { name, patterns });
        }
        Ok(filters)
    }

    /// Tells if an image passes the filter.
    pub(super) fn passes(&self, view: &View<'_>) -> bool {
        let values: Vec<String> = match source(&self.name) {
            Some(Field(field)) => view.image.fields.get(*field).cloned().into_iter().collect(),
            Some(Computed(values)) => values(view),
            None => {
                let key = self.name.strip_prefix("tag:").unwrap_or_default();
                view.image.tags.get(key).cloned().into_iter().collect()
            }
        };
        values.iter().any(|value| self.patterns.iter().any(|pattern| fits(pattern, value)))
    }
}

fn source(name: &str) -> Option<&'static Values> {
    FILTERS.iter().find(|(known, _)| *known == name).map(|(_, source)| source)
}

#[cfg(test)]
mod tests {
    use super::super::ami::Ami;
    use super::*;

    #[test]
    fn filters_look_at_fields_tags_and_states() {
        let table = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let image = Ami {
            id: "ami-01234567".to_owned(),
            fields: table("imageLocation", "b/m.xml"),
            tags: table("k", "v"),
            ..Ami::default()
        };
        let view = View { image: &image, account: "123456789012", ready: 1 };
        let passes = |name: &str, pattern: &str| {
            let form = format!("Filter.1.Name={name}&Filter.1.Value.1={pattern}");
            let filters = Filter::read_all(&Form::read(form.as_bytes())).unwrap();
            filters.iter().all(|filter| filter.passes(&view))
        };
        for (name, pattern) in [
            ("image-id", "ami-*"),
            ("manifest-location", "b/*"),
            ("owner-id", "123456789012"),
            ("state", "pending"),
            ("is-public", "false"),
            ("tag-key", "k"),
            ("tag:k", "v"),
        ] {
            assert!(passes(name, pattern), "{name}");
            assert!(!passes(name, "other"), "{name}");
        }
        assert!(!passes("name", "*"));
        let unknown = Filter::read_all(&Form::read(b"Filter.1.Name=colour"));
        assert_eq!(unknown.map(|_| ()).unwrap_err().code, "InvalidParameterValue");
    }
}
