//! Kernels of PV-GRUB: the same one has another id in each region.

/// Region, and the ids of `pv-grub-hd0_1.05` for i386 and for x86_64, as AWS's guide listed them in 2023.
const PV_GRUB: [(&str, &str, &str); 10] = [
    ("ap-northeast-1", "aki-f975a998", "aki-7077ab11"),
    ("ap-southeast-1", "aki-17a40074", "aki-73a50110"),
    ("ap-southeast-2", "aki-ba5665d9", "aki-66506305"),
    ("eu-central-1", "aki-1419e57b", "aki-931fe3fc"),
    ("eu-west-1", "aki-1c9fd86f", "aki-dc9ed9af"),
    ("sa-east-1", "aki-7cd34110", "aki-912fbcfd"),
    ("us-east-1", "aki-04206613", "aki-5c21674b"),
    ("us-gov-west-1", "aki-5ee9573f", "aki-9ee55bff"),
    ("us-west-1", "aki-43cf8123", "aki-59cc8239"),
    ("us-west-2", "aki-7a69931a", "aki-70cb0e10"),
];

/// What stands for a kernel in a region.
pub(super) fn in_region(id: &str, region: &str) -> Option<&'static str> {
    let is_32_bit = PV_GRUB.iter().find_map(|(_, i386, x86_64)| match id {
        id if id == *i386 => Some(true),
        id if id == *x86_64 => Some(false),
        _ => None,
    })?;
    let (_, i386, x86_64) = PV_GRUB.iter().find(|(name, ..)| *name == region)?;
    Some(if is_32_bit { i386 } else { x86_64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pv_grub_is_in_each_region() {
        assert_eq!(in_region("aki-5c21674b", "eu-west-1"), Some("aki-dc9ed9af"));
        assert_eq!(in_region("aki-04206613", "us-west-2"), Some("aki-7a69931a"));
        assert_eq!(in_region("aki-5c21674b", "us-east-1"), Some("aki-5c21674b"));
        assert_eq!(in_region("aki-00000000", "eu-west-1"), None);
        assert_eq!(in_region("aki-5c21674b", "mars-1"), None);
    }
}
