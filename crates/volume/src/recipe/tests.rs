use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::advice::Advice;
use crate::lint::Severity;
use crate::table::Division;

/// A system of a few files, and a recipe for a bare file system of it that is the same each time.
fn system() -> (TempDir, Recipe) {
    let root = tempfile::tempdir().unwrap();
    for directory in ["boot", "etc", "usr/sbin"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::write(root.path().join("usr/sbin/init"), "x").unwrap();
    fs::write(root.path().join("boot/vmlinuz-6.1.0"), "x").unwrap();
    fs::write(root.path().join("etc/fstab"), "UUID=old / ext4 defaults 0 1\n").unwrap();
    symlink("usr/sbin", root.path().join("sbin")).unwrap();
    let mut recipe = Recipe::new(root.path());
    recipe.division = Some(Division::None);
    recipe.uuid = Some(Uuid::from_u128(1));
    recipe.hash_seed = Some(Uuid::from_u128(2));
    (root, recipe)
}

fn plan(recipe: &Recipe) -> Result<Volume, RecipeError> {
    recipe.gather(&mut |_| Ok(()))?.plan(&mut |_| Ok(()))
}

fn events(recipe: &Recipe) -> Vec<(Severity, String, Option<Advice>)> {
    let mut told = Vec::new();
    let mut tell = |event: Event<'_>| {
        if !matches!(event, Event::Entry(_)) {
            told.push((event.severity(), event.to_string(), event.advice()));
        }
        Ok(())
    };
    recipe.gather(&mut tell).unwrap().plan(&mut tell).unwrap();
    told
}

#[test]
fn a_tree_becomes_a_file_system() {
    let (_root, mut recipe) = system();
    recipe.length = Some(64 << 20);
    recipe.label = Some("rootfs".to_owned());
    let mut volume = plan(&recipe).unwrap();
    assert_eq!(volume.image().len(), 64 << 20);
    assert_eq!(volume.root_place(), 0..64 << 20);
    assert_eq!(volume.fstab(), "UUID=old / ext4 defaults 0 1\n");
    let summary = volume.summary();
    assert_eq!((summary.len(), summary.division()), (64 << 20, Division::None));
    assert_eq!((summary.file_system(), summary.boot().to_string()), ("ext4", "none".to_owned()));
    assert_eq!(summary.options().label, b"rootfs");
    assert!(summary.free() > 32 << 20 && summary.data() < 8 << 20);
    assert!(volume.changes().iter().all(|change| change.action == Action::Added));
}

#[test]
fn what_happens_is_told_in_order() {
    let (root, mut recipe) = system();
    fs::write(root.path().join(".bash_history"), "ls\n").unwrap();
    recipe.fstab = Fstab::Fix;
    let told = events(&recipe);
    let lines: Vec<_> = told.iter().map(|(_, line, _)| line.as_str()).collect();
    assert!(lines[0].starts_with("secret: 1 paths"), "{lines:#?}");
    assert!(lines[1].starts_with("/etc/fstab: `UUID=old / ext4 defaults 0 1` becomes"));
    assert!(lines.last().unwrap().starts_with("the image has "), "{lines:#?}");
    assert_eq!(told[0].2, Some(Advice::WriteReport));
    assert!(told.iter().all(|(severity, ..)| *severity <= Severity::Warning));
    assert!(lines.iter().all(|line| !line.contains("--")), "{lines:#?}");
}

#[test]
fn nonsense_is_refused_with_advice() {
    type Change = fn(&mut Recipe);
    let cases: [(Change, Advice); 4] = [
        (|recipe| recipe.uuid = Some(Uuid::nil()), Advice::OmitUuid),
        (
            |recipe| {
                recipe.inode_size = Some(4096);
                recipe.block_size = Some(1024);
            },
            Advice::SmallerInodes { most: 1024, block_size: 4096 },
        ),
        (|recipe| recipe.boot_loader = BootLoader::Build, Advice::Partition),
        (|recipe| recipe.exclude = vec!["[".to_owned()], "".into()),
    ];
    for (change, advice) in cases {
        let (_root, mut recipe) = system();
        change(&mut recipe);
        let error = plan(&recipe).unwrap_err();
        assert_eq!(error.kind(), RecipeErrorKind::Usage, "{error}");
        match (error.advice(), advice) {
            (Some(Advice::Say(text)), Advice::Say(_)) => assert!(text.contains("shell"), "{text}"),
            (given, advice) => assert_eq!(given, Some(advice), "{error}"),
        }
    }
}

#[test]
fn a_tree_that_does_not_fit_says_what_would() {
    let (root, mut recipe) = system();
    fs::write(root.path().join("big"), vec![1; 8 << 20]).unwrap();
    recipe.length = Some(4 << 20);
    let error = plan(&recipe).unwrap_err();
    let Some(Advice::ChooseLength { needed }) = error.advice() else { panic!("{error:?}") };
    recipe.length = Some(needed << 20);
    plan(&recipe).unwrap();
}

#[test]
fn the_longest_image_is_kept_to_where_the_tree_fits() {
    let (_root, mut recipe) = system();
    recipe.longest = 1 << 30;
    let told = events(&recipe);
    assert!(told.iter().all(|(.., advice)| *advice != Some(Advice::OtherLength)));
    // A quarter more than is needed, and at least 64 MiB, is more than this.
    recipe.longest = 300 << 20;
    let len = plan(&recipe).unwrap().summary().len();
    assert!(len < 300 << 20, "{len}");
}

#[test]
fn who_hears_of_it_can_stop_it() {
    let (_root, recipe) = system();
    let stop = || Err(io::Error::other("enough"));
    let error = recipe.gather(&mut |_| stop()).unwrap_err();
    assert_eq!(error.kind(), RecipeErrorKind::Stopped);
    assert_eq!(error.source().map(ToString::to_string), Some("enough".to_owned()));
    let error = recipe.list(&mut |_| stop()).unwrap_err();
    assert_eq!(error.kind(), RecipeErrorKind::Stopped);
    let gathered = recipe.gather(&mut |_| Ok(())).unwrap();
    assert_eq!(gathered.plan(&mut |_| stop()).unwrap_err().kind(), RecipeErrorKind::Stopped);
}

#[test]
fn a_menu_and_an_fstab_are_put_where_they_belong() {
    let (_root, mut recipe) = system();
    recipe.menu = Some("title x\nkernel /boot/vmlinuz-6.1.0 root=/dev/sda1\n".to_owned());
    recipe.fstab = Fstab::Replace("proc /proc proc\n".to_owned());
    recipe.keep_old_fstab = true;
    let volume = plan(&recipe).unwrap();
    assert_eq!(volume.fstab(), "proc /proc proc\n");
    assert!(volume.summary().entries() > 15);
    recipe.fstab = Fstab::Classic(ClassicFstab::I386);
    let volume = plan(&recipe).unwrap();
    let first = format!("UUID={} / ext4 defaults 1 1", Uuid::from_u128(1));
    assert_eq!(volume.fstab().lines().next(), Some(&*first));
    assert!(volume.fstab().contains("/dev/sda3 swap"));
}
