//! Block device mappings and image ids as people write them.

use baler_manifest::BlockDeviceMapping;

/// `ephemeral0=sdb`: a virtual name and a device.
///
/// # Errors
/// What it should look like, as text.
pub fn mapping(text: &str) -> Result<BlockDeviceMapping, String> {
    let (virtual_name, device) =
        text.split_once('=').ok_or("a mapping is VIRTUAL=DEVICE, such as `ephemeral0=sdb`")?;
    if !is_virtual_name(virtual_name) {
        return Err(
            "a virtual name is `ami`, `root`, `swap`, `ephemeral0` and so on, or `ebs0` and so on"
                .to_owned(),
        );
    }
    check_device(device)?;
    Ok(BlockDeviceMapping { virtual_name: virtual_name.to_owned(), device: device.to_owned() })
}

fn is_virtual_name(name: &str) -> bool {
    let numbered = ["ephemeral", "ebs"].iter().filter_map(|prefix| name.strip_prefix(prefix));
    matches!(name, "ami" | "root" | "swap") || numbered.into_iter().any(is_short_number)
}

fn is_short_number(text: &str) -> bool {
    matches!(text.len(), 1..=2) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses what EC2 refuses after the whole upload: `xvdal` for `xvda1` is the classic one.
fn check_device(device: &str) -> Result<(), String> {
    if device.is_empty() || !device.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("`{device}` is not a device name, such as `sda1` or `/dev/xvdb`"));
    }
    let bare = device.strip_prefix("/dev/").unwrap_or(device);
    let Some((prefix, rest)) =
        ["xvd", "sd", "hd"].iter().find_map(|prefix| Some((*prefix, bare.strip_prefix(prefix)?)))
    else {
        // Other systems have other names: `0`, `/dev/dsk/c0d0s0`.
        return Ok(());
    };
    let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
    let two_letters = prefix == "xvd" && letters == 2 && matches!(rest.as_bytes()[0], b'b'..=b'd');
    if (letters == 1 || two_letters) && (rest.len() == letters || is_short_number(&rest[letters..]))
    {
        return Ok(());
    }
    let guess = device.strip_suffix('l').map(|start| format!("{start}1"));
    let guess = guess
        .filter(|guess| check_device(guess).is_ok())
        .map(|guess| format!("; did you mean `{guess}`?"));
    Err(format!("EC2 knows no device `{device}`{}", guess.unwrap_or_default()))
}

/// Required virtual names that the mapping does not have; none are required of an empty mapping.
pub fn missing(mappings: &[BlockDeviceMapping]) -> Vec<&'static str> {
    let has = |name: &str| mappings.iter().any(|mapping| mapping.virtual_name == name);
    ["root", "ami"].into_iter().filter(|name| !mappings.is_empty() && !has(name)).collect()
}

/// `ami-`, `aki-` and `ari-` with hexadecimal digits, and what other clouds have in their place.
///
/// # Errors
/// What it should look like, as text.
pub fn image_id(text: &str) -> Result<String, String> {
    let well_formed = text.split_once('-').is_some_and(|(kind, id)| {
        kind.len() == 3
            && kind.bytes().all(|byte| byte.is_ascii_lowercase())
            && (8..=17).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err("an id looks like `ami-0123456789abcdef0`".to_owned())
    }
}

/// `aki-` and `ari-`, or what other clouds have in their place; never an image.
///
/// # Errors
/// What it should look like, as text.
pub fn boot_id(text: &str) -> Result<String, String> {
    if text.starts_with("ami-") {
        return Err("it is an image; a kernel is `aki-…`, and a ramdisk `ari-…`".to_owned());
    }
    image_id(text).map_err(|_| "an id looks like `aki-919dcaf8`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        for (device, good) in [
            ("sda1", true),
            ("/dev/sda1", true),
            ("xvda", true),
            ("xvdba", true),
            ("xvdb15", true),
            ("/dev/dsk/c0d0s0", true),
            ("0", true),
            ("nvme0n1", true),
            ("xvdal", false),
            ("sdaa", false),
            ("sd", false),
            ("sd1", false),
            ("sda123", false),
            ("sda 1", false),
            ("", false),
            ("sdä", false),
        ] {
            assert_eq!(check_device(device).is_ok(), good, "{device:?}");
        }
        assert_eq!(
            check_device("/dev/xvdal"),
            Err("EC2 knows no device `/dev/xvdal`; did you mean `/dev/xvda1`?".into())
        );
    }

    #[test]
    fn mappings() {
        let good = mapping("ephemeral0=/dev/sdb").expect("a mapping");
        assert_eq!((good.virtual_name.as_str(), good.device.as_str()), ("ephemeral0", "/dev/sdb"));
        for text in ["", "sda1", "=sda1", "root=", "other=sda1", "ephemeral=sdb", "ephemeralx=sdb"]
        {
            assert!(mapping(text).is_err(), "{text:?}");
        }
        assert_eq!(missing(&[good]), ["root", "ami"]);
        assert!(missing(&[]).is_empty());
    }

    #[test]
    fn ids() {
        for text in ["ami-12345678", "aki-0123456789abcdef0", "eki-9B8C7D6E"] {
            assert!(image_id(text).is_ok(), "{text:?}");
        }
        for text in
            ["", "ami", "ami-", "ami-1234", "ami-xyzxyzxy", "AMI-12345678", "ami-12345678\n"]
        {
            assert!(image_id(text).is_err(), "{text:?}");
        }
    }
}
