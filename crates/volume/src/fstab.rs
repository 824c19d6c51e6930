//! `/etc/fstab`: what a new instance would mount, and wait for.
//!
//! A device that is not there costs 90 seconds and ends in an emergency shell unless the line says `nofail`; and a
//! root that is named by a UUID that nobody has stays read-only. Source of the format: `fstab(5)`.

/// The root's new file system, and what else of the old disk is in the image.
#[derive(Clone, Debug)]
pub struct NewRoot {
    /// `UUID=…`, as the line of the root is to name it.
    pub name: String,
    /// All the names by which it can be found: `UUID=`, `LABEL=`, `PARTUUID=`.
    pub names: Vec<String>,
    /// Its type.
    pub fs_type: &'static str,
}

/// What was done to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// The line as it was.
    pub old: String,
    /// As it is now; `None` if it was dropped.
    pub new: Option<String>,
    /// Why.
    pub reason: &'static str,
}

/// One line that mounts something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is mounted.
    pub device: String,
    /// Where.
    pub point: String,
    /// As what.
    pub fs_type: String,
    /// How, separated by commas.
    pub options: String,
    /// What follows: for `dump` and `fsck`.
    rest: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().map(str::to_owned);
        let (device, point, fs_type) = (next()?, next()?, next()?);
        let options = next().unwrap_or_else(|| "defaults".to_owned());
        let rest: Vec<_> = fields.collect();
        // A device may be quoted: UUID="…".
        let device = device.replace('"', "");
        Some(Entry { device, point, fs_type, options, rest: rest.join(" ") })
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|have| have == option)
    }

    fn is_cloud_init(&self) -> bool {
        self.options.contains("comment=cloudconfig")
            || self.options.contains("x-systemd.requires=cloud-init")
    }

    fn is_device(&self) -> bool {
        let tags = ["UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "/dev/"];
        tags.iter().any(|tag| self.device.starts_with(tag))
    }
}

/// The lines of an `fstab` that mount something.
pub fn entries(text: &str) -> Vec<Entry> {
    text.lines().filter_map(Entry::parse).collect()
}

/// Why a line would hurt a new instance.
fn fault(entry: &Entry, root: &NewRoot) -> Option<&'static str> {
    let is_there = root.names.contains(&entry.device);
    if entry.is_cloud_init() {
        return Some("cloud-init wrote it for the old instance, and writes it again");
    }
    if !entry.is_device() || is_there {
        return None;
    }
    match (&*entry.fs_type, entry.has("nofail") || entry.has("noauto")) {
        ("swap", _) => Some("the swap device is not in the image"),
        (_, true) => None,
        (_, false) => Some("its device is not in the image, and booting would wait for it"),
    }
}

/// What would be wrong in an instance of the image, line by line.
pub fn faults(text: &str, root: &NewRoot) -> Vec<(Entry, &'static str)> {
    let all = entries(text).into_iter();
    all.filter(|entry| entry.point != "/")
        .filter_map(|entry| fault(&entry, root).map(|fault| (entry, fault)))
        .collect()
}

/// Whether the root's line, if there is one, names the new file system.
pub fn finds_root(text: &str, root: &NewRoot) -> Option<bool> {
    let line = entries(text).into_iter().find(|entry| entry.point == "/")?;
    Some(root.names.contains(&line.device))
}

/// Repairs the text: comments and what is right stay as they are.
pub fn fix(text: &str, root: &NewRoot) -> (String, Vec<LineChange>) {
    let (mut out, mut changes, mut has_root) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        let Some(entry) = Entry::parse(line) else {
            out += line;
            out.push('\n');
            continue;
        };
        let old = line.to_owned();
        if entry.point == "/" && !has_root {
            has_root = true;
            if root.names.contains(&entry.device) && entry.fs_type == root.fs_type {
                out += line;
                out.push('\n');
                continue;
            }
            let rest = if entry.rest.is_empty() { "0 1" } else { &entry.rest };
            let options = options_for(&entry, root.fs_type);
            let new = format!("{} / {} {options} {rest}", root.name, root.fs_type);
            out += &new;
            out.push('\n');
            changes.push(LineChange { old, new: Some(new), reason: "the root has this name now" });
            continue;
        }
        match fault(&entry, root) {
            Some(reason) => changes.push(LineChange { old, new: None, reason }),
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    if !has_root {
        let new = root_line(root);
        out.insert_str(0, &format!("{new}\n"));
        changes.push(LineChange {
            old: String::new(),
            new: Some(new),
            reason: "there was no root",
        });
    }
    (out, changes)
}

/// The root's options; those of another file system are not kept.
fn options_for(entry: &Entry, fs_type: &str) -> String {
    let is_ext = entry.fs_type.starts_with("ext") && fs_type.starts_with("ext");
    if is_ext { entry.options.clone() } else { "defaults".to_owned() }
}

fn root_line(root: &NewRoot) -> String {
    format!("{} / {} defaults 0 1", root.name, root.fs_type)
}

/// A text that mounts the root and nothing else.
pub fn generate(root: &NewRoot) -> String {
    format!("# Written by baler.\n{}\n", root_line(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> NewRoot {
        NewRoot {
            name: "UUID=new".to_owned(),
            names: vec!["UUID=new".to_owned(), "LABEL=rootfs".to_owned()],
            fs_type: "ext4",
        }
    }

    fn check(line: &str, expected: Option<&str>) {
        let text = format!("UUID=new / ext4 ro 0 1\n{line}\n");
        let (fixed, changes) = fix(&text, &root());
        let rest = fixed.strip_prefix("UUID=new / ext4 ro 0 1\n").unwrap();
        assert_eq!(rest.strip_suffix('\n'), expected, "{line}");
        assert_eq!(changes.is_empty(), expected == Some(line), "{line}");
    }

    #[test]
    fn lines_that_hurt_are_dropped_and_others_kept() {
        for line in [
            "# comment",
            "",
            "proc /proc proc defaults 0 0",
            "tmpfs /tmp tmpfs size=1G 0 0",
            "server:/home /home nfs _netdev 0 0",
            "/swapfile none swap sw 0 0",
            "/srv/a /srv/b none bind 0 0",
            "UUID=old /data ext4 nofail 0 2",
            "LABEL=rootfs /again ext4 defaults 0 0",
            "nonsense",
        ] {
            check(line, Some(line));
        }
        for line in [
            "/dev/xvdb /mnt auto defaults,nofail,comment=cloudconfig 0 2",
            "/dev/xvdb /mnt ext3 defaults 0 0",
            "UUID=old /data ext4 defaults 0 2",
            "UUID=\"old\" /data ext4 defaults 0 2",
            "/dev/xvda3 none swap sw 0 0",
            "UUID=old none swap sw,nofail 0 0",
            "LABEL=UEFI /boot/efi vfat umask=0077 0 1",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn the_root_gets_its_new_name() {
        let fixed = |text| fix(text, &root()).0;
        assert_eq!(
            fixed("UUID=old / ext4 errors=remount-ro 0 1\n"),
            "UUID=new / ext4 errors=remount-ro 0 1\n"
        );
        assert_eq!(fixed("/dev/xvda1 / xfs noatime,inode64\n"), "UUID=new / ext4 defaults 0 1\n");
        assert_eq!(fixed("LABEL=rootfs / ext4 x 0 1\n"), "LABEL=rootfs / ext4 x 0 1\n");
        assert_eq!(fixed("proc /proc proc\n"), "UUID=new / ext4 defaults 0 1\nproc /proc proc\n");
        assert_eq!(finds_root("UUID=old / ext4\n", &root()), Some(false));
        assert_eq!(finds_root("", &root()), None);
    }
}
