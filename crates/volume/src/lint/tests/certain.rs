//! Only what certainly does not boot is an error.

use super::*;

#[test]
fn what_may_boot_is_no_error() {
    let root = format!("UUID={UUID} / ext4\n");
    let fstab = |line: &str, expected: &[&str]| {
        check(|system| system.put("etc/fstab", &format!("{root}{line}\n")), expected);
    };
    check(|system| system.put("etc/fstab", "/dev/xvda1 / ext4 defaults 0 1\n"), &[]);
    fstab(&format!("UUID={OTHER} /data ext4 x-systemd.automount 0 2"), &[]);
    fstab("server:/x /x nfs _netdev,comment=cloudconfig", &["Warning: cloud-init"]);
    fstab("LABEL=UEFI /boot/efi vfat umask=0077 0 1", &["Error: on `/boot/efi`"]);
    check(
        |system| {
            let esp = "LABEL=UEFI /boot/efi vfat umask=0077 0 1";
            system.put("etc/fstab", &format!("{root}{esp}\n"));
            system.has_efi_system = true;
        },
        &[],
    );
    let grub = |before: &str, root: &str, expected: &[&str]| {
        let text = format!(
            "{before}\nlinux /boot/vmlinuz-{VERSION} root={root} console=ttyS0\ninitrd /boot/initrd.img-{VERSION}\n"
        );
        check(|system| system.put("boot/grub/grub.cfg", &text), expected);
    };
    grub(&format!("search --fs-uuid {UUID} --set=root"), "LABEL=root", &[]);
    grub("", "\"LABEL=root\"", &[]);
    grub("", "PARTUUID=ccddeeff-01/PARTNROFF=0", &["Warning: the new root is not"]);
    grub("", "PARTLABEL=root", &["Warning: the new root is not"]);
    grub("", "/dev/xvde1", &["Warning: Red Hat 6"]);
    grub("", "LABEL=root rootfstype=ext4,xfs rootflags=data=ordered", &[]);
    // Not the first of them is started.
    let (gone, serial) = ("linux /boot/gone root=LABEL=root console=ttyS0", "set default=\"1\"\n");
    grub(&format!("{serial}{gone}"), "LABEL=root", &["Warning: `/boot/gone`"]);
    grub(gone, "LABEL=root", &["Error: `/boot/gone`"]);
    let saved = format!("set default=\"${{saved_entry}}\"\n{gone}");
    grub(&saved, "LABEL=root", &["Error: `/boot/gone`"]);
    let saved = format!("set saved_entry=1\n{saved}");
    grub(&saved, "LABEL=root", &["Warning: `/boot/gone`"]);
}

#[test]
fn what_only_the_old_file_system_knew_is_an_error() {
    let grub = |rest: &str, expected: &[&str]| {
        check(|system| system.grub(&format!("root=LABEL=root console=ttyS0 {rest}")), expected);
    };
    grub("rootflags=subvol=@", &["Error: rootflags=subvol=@, but the root is ext4"]);
    grub("rootfstype=xfs", &["Error: rootfstype=xfs, but"]);
}

#[test]
fn a_system_has_an_init() {
    let bare = |system: &mut System| {
        system.remove("usr/sbin/init");
        system.put("usr/bin/sh", "x");
    };
    check(bare, &["Warning: nothing but a shell"]);
    check(
        |system| {
            bare(system);
            system.grub("root=LABEL=root console=ttyS0 init=/usr/lib/systemd/systemd");
        },
        &[],
    );
}

#[test]
fn the_saved_entry_is_started() {
    let system = |saved: &str, expected: &[&str]| {
        check(
            |system| {
                let config = "set default=\"${saved_entry}\"\nblscfg\n";
                system.put("boot/grub/grub.cfg", config);
                system.put("boot/grub/grubenv", &format!("saved_entry={saved}\n"));
                let (there, gone) = (format!("vmlinuz-{VERSION}"), "vmlinuz-9");
                for (id, kernel) in [("id-6", &*there), ("id-9", gone)] {
                    let text = format!(
                        "linux /boot/{kernel}\noptions root=LABEL=root console=ttyS0\ninitrd /boot/initrd.img-{VERSION}\n"
                    );
                    system.put(&format!("boot/loader/entries/{id}.conf"), &text);
                }
            },
            expected,
        );
    };
    system("id-6", &["Warning: vmlinuz-9"]);
    system("id-9", &["Error: vmlinuz-9"]);
    system("", &["Error: vmlinuz-9"]);
}
