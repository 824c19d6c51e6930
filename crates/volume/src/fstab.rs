//! `/etc/fstab`: what a new instance would mount, and wait for.
//!
//! A device that is not there costs 90 seconds and ends in an emergency shell unless the line says `nofail`; and a
//! root that is named by a UUID that nobody has stays read-only. Source of the format: `fstab(5)`.

/// The root's new file system, and what else of the old disk is in the image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewRoot {
    /// `UUID=…`, as the line of the root is to name it.
    pub name: String,
    /// All the names by which it can be found: `UUID=`, `LABEL=`, `PARTUUID=`.
    pub names: Vec<String>,
    /// Its type.
    pub fs_type: &'static str,
    /// True if the image has an EFI system partition: it is mounted by names of its own.
    pub keeps_efi: bool,
}

impl NewRoot {
    /// A root of this type that is found by these names, of which the first is the one that its line has.
    pub fn new(names: Vec<String>, fs_type: &'static str) -> NewRoot {
        let name = names.first().cloned().unwrap_or_default();
        NewRoot { name, names, fs_type, keeps_efi: false }
    }

    /// Returns whether this is a name that the root has wherever it is: `UUID=x`, and also `/dev/disk/by-uuid/x`.
    pub(crate) fn is_called(&self, device: &str) -> bool {
        let Some((tag, name)) = tag(device) else { return false };
        let is_name = |own: &String| {
            own.strip_prefix(tag).and_then(|own| own.strip_prefix('=')).is_some_and(|own| {
                if tag.ends_with("UUID") { own.eq_ignore_ascii_case(name) } else { own == name }
            })
        };
        self.names.iter().any(is_name)
    }
}

/// What kind of name a file system is called by, and the name.
pub(crate) fn tag(device: &str) -> Option<(&'static str, &str)> {
    const TAGS: [(&str, &str); 4] = [
        ("UUID", "by-uuid"),
        ("LABEL", "by-label"),
        ("PARTUUID", "by-partuuid"),
        ("PARTLABEL", "by-partlabel"),
    ];
    TAGS.iter().find_map(|(tag, directory)| {
        let named = device.strip_prefix(tag).and_then(|rest| rest.strip_prefix('='));
        let linked =
            || device.strip_prefix("/dev/disk/")?.strip_prefix(directory)?.strip_prefix('/');
        Some((*tag, named.or_else(linked)?))
    })
}

/// A change of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Line {
    /// The device, or its name: `UUID=…`.
    pub device: String,
    /// The mount point.
    pub point: String,
    /// As what.
    pub fs_type: String,
    /// The options, separated by commas.
    pub options: String,
    /// What follows: for `dump` and `fsck`.
    rest: String,
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().map(str::to_owned);
        let (device, point, fs_type) = (next()?, next()?, next()?);
        let options = next().unwrap_or_else(|| "defaults".to_owned());
        let rest: Vec<_> = fields.collect();
        // A device may be quoted, UUID="…", and a label may have blanks.
        let device = unescaped(&device.replace('"', ""));
        Some(Line { device, point, fs_type, options, rest: rest.join(" ") })
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|have| have == option)
    }

    /// Returns whether a boot continues without it. `nobootwait` is what Ubuntu had before systemd; what is mounted
    /// when it is
    /// used is waited for only then.
    pub fn may_be_missing(&self) -> bool {
        const OPTIONS: [&str; 4] = ["nofail", "noauto", "nobootwait", "x-systemd.automount"];
        OPTIONS.iter().any(|option| self.has(option))
    }

    /// Returns whether a boot waits for its device.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.is_device() && self.fs_type != "swap" && !self.may_be_missing()
    }

    fn is_cloud_init(&self) -> bool {
        self.options.split(',').any(|option| {
            // `x-systemd.requires=` or `x-systemd.after=`, by its age.
            option == "comment=cloudconfig"
                || option.starts_with("x-systemd.") && option.contains("=cloud-init")
        })
    }

    fn is_device(&self) -> bool {
        tag(&self.device).is_some() || self.device.starts_with("/dev/")
    }
}

/// A field with the blanks that it stands for: `\040` is a space.
fn unescaped(field: &str) -> String {
    const ESCAPES: [(&str, &str); 4] =
        [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    ESCAPES.iter().fold(field.to_owned(), |field, (escape, byte)| field.replace(escape, byte))
}

/// The lines of an `fstab` that mount something.
pub fn lines(text: &str) -> Vec<Line> {
    text.lines().filter_map(Line::parse).collect()
}

/// Why a line would hurt a new instance.
fn fault(entry: &Line, root: &NewRoot) -> Option<&'static str> {
    let is_there = root.is_called(&entry.device);
    if entry.is_cloud_init() {
        return Some("cloud-init wrote it for the old instance, and writes it again");
    }
    if !entry.is_device() || is_there || entry.has("bind") || entry.has("rbind") {
        return None;
    }
    if entry.fs_type == "vfat" && root.keeps_efi || entry.device.starts_with("/dev/zram") {
        return None;
    }
    match (&*entry.fs_type, entry.may_be_missing()) {
        ("swap", false) => Some("the swap device is not in the image"),
        (_, true) => None,
        (_, false) => Some("its device is not in the image, and booting would wait for it"),
    }
}

/// Finds the lines that would hurt an instance of the image, and why.
pub fn faults(text: &str, root: &NewRoot) -> Vec<(Line, &'static str)> {
    let all = lines(text).into_iter();
    all.filter(|entry| entry.point != "/")
        .filter_map(|entry| fault(&entry, root).map(|fault| (entry, fault)))
        .collect()
}

/// Returns whether the root's line, if there is one, names the new file system or a device: the root that is mounted
/// already
/// becomes writable under any device's name, only not under a UUID or a label that nothing has.
pub fn finds_root(text: &str, root: &NewRoot) -> Option<bool> {
    let line = lines(text).into_iter().find(|entry| entry.point == "/")?;
    Some(root.is_called(&line.device) || tag(&line.device).is_none())
}

/// Repairs the text: comments and what is right stay as they are.
pub fn fix(text: &str, root: &NewRoot) -> (String, Vec<LineChange>) {
    let (mut out, mut changes, mut has_root) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        let Some(entry) = Line::parse(line) else {
            out += line;
            out.push('\n');
            continue;
        };
        let old = line.to_owned();
        if entry.point == "/" && !has_root {
            has_root = true;
            if root.is_called(&entry.device) && entry.fs_type == root.fs_type {
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

/// The root's options; those that only another file system knows would make mounting fail.
fn options_for(entry: &Line, fs_type: &str) -> String {
    const GENERAL: [&str; 16] = [
        "ro",
        "rw",
        "noatime",
        "relatime",
        "strictatime",
        "nodiratime",
        "lazytime",
        "discard",
        "sync",
        "async",
        "nodev",
        "noexec",
        "nosuid",
        "nofail",
        "auto",
        "defaults",
    ];
    if entry.fs_type.starts_with("ext") && fs_type.starts_with("ext") {
        return entry.options.clone();
    }
    let is_general = |option: &&str| GENERAL.contains(option) || option.starts_with("x-");
    let kept: Vec<_> = entry.options.split(',').filter(is_general).collect();
    if kept.is_empty() { "defaults".to_owned() } else { kept.join(",") }
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
            keeps_efi: false,
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
            "/dev/zram0 none swap defaults 0 0",
            "UUID=old none swap sw,nofail 0 0",
            "/srv/a /srv/b none bind 0 0",
            "UUID=old /data ext4 nofail 0 2",
            "/dev/sr0 /media/cdrom iso9660 ro,noauto 0 0",
            "/dev/xvdb /mnt ext3 nobootwait 0 0",
            "UUID=old /data ext4 x-systemd.automount 0 2",
            "/dev/shm /x none bind 0 0",
            "/dev/disk/by-uuid/NEW /again ext4 defaults 0 0",
            "LABEL=rootfs /again ext4 defaults 0 0",
            "nonsense",
        ] {
            check(line, Some(line));
        }
        for line in [
            "/dev/xvdb /mnt auto defaults,nofail,comment=cloudconfig 0 2",
            "/dev/xvdb /mnt auto nofail,x-systemd.after=cloud-init-network.service,_netdev 0 2",
            "/dev/xvdb /mnt ext3 defaults 0 0",
            "/dev/disk/by-label/x /data ext4 defaults 0 2",
            "UUID=old /data ext4 defaults 0 2",
            "UUID=\"old\" /data ext4 defaults 0 2",
            "/dev/xvda3 none swap sw 0 0",
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
        assert_eq!(fixed("/dev/xvda1 / xfs noatime,inode64\n"), "UUID=new / ext4 noatime 0 1\n");
        assert_eq!(fixed("/dev/xvda1 / btrfs subvol=@\n"), "UUID=new / ext4 defaults 0 1\n");
        assert_eq!(fixed("LABEL=rootfs / ext4 x 0 1\n"), "LABEL=rootfs / ext4 x 0 1\n");
        assert_eq!(fixed("proc /proc proc\n"), "UUID=new / ext4 defaults 0 1\nproc /proc proc\n");
        assert_eq!(finds_root("UUID=old / ext4\n", &root()), Some(false));
        assert_eq!(finds_root("/dev/xvda1 / ext4\n", &root()), Some(true));
        assert_eq!(finds_root("", &root()), None);
        let mut root = root();
        root.names.push("LABEL=my disk".to_owned());
        assert_eq!(finds_root("LABEL=my\\040disk / ext4\n", &root), Some(true));
    }
}
