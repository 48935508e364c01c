//! Owner of the directory of pins: on a real BPF file system, which everybody may write to as
//! `mount -t bpf` leaves it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::{Path, PathBuf};

use agent::kernel::bpf::BpfKernel;
use lb_core::table_sizes::SizedBy;
use nix::mount::{MsFlags, mount};

use crate::lab::{Lab, lab};

/// Somebody without any rights.
const NOBODY: u32 = 65_534;

/// A BPF file system of the test's own.
fn bpffs(lab: &Lab) -> PathBuf {
    let root = lab.net(1).bpffs;
    let kind = Some("bpf");
    let none: Option<&str> = None;
    mount(kind, &root, kind, MsFlags::empty(), none).unwrap();
    root
}

/// The sentence with which a directory is refused, by both who use it.
fn refused(root: &Path) -> String {
    let Err(load) = BpfKernel::load(root, None, SizedBy::default()) else {
        panic!("loaded")
    };
    let clean = BpfKernel::clean(root).unwrap_err();
    assert_eq!(load.to_string(), clean.to_string());
    load.to_string()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn pins_are_for_their_owner_alone() {
    lab(|lab| {
        let root = bpffs(lab);
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o7777, 0o1777);
        let ours = root.join("swarmlb");
        // As an earlier version left it.
        fs::DirBuilder::new().mode(0o755).create(&ours).unwrap();
        drop(BpfKernel::load(&root, None, SizedBy::default()).unwrap());
        let version = ours.join(&names(&ours)[0]);
        for directory in [&ours, &version] {
            let mode = fs::metadata(directory).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700, "{}", directory.display());
        }
        BpfKernel::clean(&root).unwrap();
        assert!(!ours.exists());
    });
}

#[test]
fn a_directory_that_others_made_or_may_write_to_is_refused_in_one_sentence() {
    lab(|lab| {
        let root = bpffs(lab);
        let ours = root.join("swarmlb");
        let made = |mode| {
            fs::create_dir(&ours).unwrap();
            fs::set_permissions(&ours, Permissions::from_mode(mode)).unwrap();
        };
        made(0o777);
        let said = refused(&root);
        assert!(
            said.contains("swarmlb is writable by others (mode 777)") && said.contains("mode=700"),
            "{said}"
        );
        fs::remove_dir(&ours).unwrap();

        made(0o700);
        chown(&ours, Some(NOBODY), None).unwrap();
        let said = refused(&root);
        assert!(said.contains("swarmlb belongs to user 65534"), "{said}");
        chown(&ours, Some(0), None).unwrap();

        // The one in it, where an earlier agent's directory was open.
        drop(BpfKernel::load(&root, None, SizedBy::default()).unwrap());
        let version = ours.join(&names(&ours)[0]);
        chown(&version, Some(NOBODY), None).unwrap();
        let said = refused(&root);
        assert!(said.contains("belongs to user 65534"), "{said}");
        assert!(!names(&version).is_empty(), "nothing was removed");
    });
}

#[test]
fn a_file_system_in_which_others_can_take_the_directory_away_is_refused() {
    lab(|lab| {
        let root = bpffs(lab);
        // By `mount` alone it always has the bit that keeps others' files (`t` of /tmp).
        fs::set_permissions(&root, Permissions::from_mode(0o777)).unwrap();
        let said = refused_load(&root);
        assert!(said.contains("is writable by others (mode 777)"), "{said}");
        assert!(!root.join("swarmlb").exists());
    });
}

#[test]
fn a_link_in_the_place_of_the_directory_is_not_followed() {
    lab(|lab| {
        let root = bpffs(lab);
        let victim = tempfile::tempdir().unwrap();
        let file = victim.path().join("v1/file");
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(&file, "kept").unwrap();
        symlink(victim.path(), root.join("swarmlb")).unwrap();
        let said = refused(&root);
        assert!(said.contains("swarmlb is not a directory"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    });
}

fn refused_load(root: &Path) -> String {
    match BpfKernel::load(root, None, SizedBy::default()) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    }
}
