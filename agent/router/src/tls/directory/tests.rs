//! Directories that change, and such as cannot be read.

use super::Directories;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Puts a certificate for a name and its key into `x.crt` and `x.key`.
fn put(directory: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("x.crt"), certificate.pem()).unwrap();
    fs::write(directory.join("x.key"), key.serialize_pem()).unwrap();
}

/// Those of these names, among `a.test`, `b.test` and `z.test`, for which there is a certificate now, if any file has changed.
fn names(directories: &mut Directories) -> Option<Vec<&'static str>> {
    let certificates = directories.changed()?;
    let mut names = vec!["a.test", "b.test", "z.test"];
    names.retain(|name| certificates.for_name(name).is_some());
    Some(names)
}

/// Directories of these names in one.
fn below<const N: usize>(directory: &Path, names: [&str; N]) -> [PathBuf; N] {
    names.map(|name| directory.join(name))
}

#[test]
fn files_are_read_again_when_they_change_and_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let mut directories = Directories::new(vec![missing.clone(), directory.path().into()]);
    assert!(directories.changed().is_some(), "the first time");
    assert!(directories.changed().is_none());
    fs::write(directory.path().join("file"), "content").unwrap();
    assert!(directories.changed().is_some());
    assert!(directories.changed().is_none());
    fs::create_dir(&missing).unwrap();
    fs::write(missing.join("file"), "more").unwrap();
    assert!(directories.changed().is_some());
    fs::remove_file(missing.join("file")).unwrap();
    assert!(directories.changed().is_some());
}

#[test]
fn a_file_hides_those_of_its_name_in_later_directories_whatever_these_are_called() {
    let directory = tempfile::tempdir().unwrap();
    let [z, a, missing] = below(directory.path(), ["z", "a", "missing"]);
    put(&z, "z.test");
    put(&a, "a.test");
    let mut directories = Directories::new(vec![missing, z.clone(), a]);
    assert_eq!(names(&mut directories), Some(vec!["z.test"]));
    fs::remove_dir_all(&z).unwrap();
    assert_eq!(names(&mut directories), Some(vec!["a.test"]));
}

#[test]
fn a_directory_that_cannot_be_listed_takes_no_certificate_away() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b, moved] = below(directory.path(), ["a", "b", "moved"]);
    put(&a, "a.test");
    let mut directories = Directories::new(vec![a.clone(), b.clone()]);
    assert_eq!(names(&mut directories), Some(vec!["a.test"]));
    fs::rename(&a, &moved).unwrap();
    fs::write(&a, "no directory").unwrap();
    assert_eq!(names(&mut directories), None);
    // Another one changes meanwhile.
    put(&b, "b.test");
    fs::rename(b.join("x.crt"), b.join("y.crt")).unwrap();
    fs::rename(b.join("x.key"), b.join("y.key")).unwrap();
    assert_eq!(names(&mut directories), Some(vec!["a.test", "b.test"]));
    // The directory is gone for good.
    fs::remove_file(&a).unwrap();
    assert_eq!(names(&mut directories), Some(vec!["b.test"]));
}

#[test]
fn a_file_that_cannot_be_read_is_read_later_and_takes_no_certificate_away() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = below(directory.path(), ["a", "b"]);
    put(&a, "a.test");
    put(&b, "b.test");
    let mut directories = Directories::new(vec![a.clone()]);
    assert_eq!(names(&mut directories), Some(vec!["a.test"]));
    // Nothing can be read at the beginning of a process's memory: EIO.
    symlink("/proc/self/mem", a.join("unreadable")).unwrap();
    fs::rename(b.join("x.crt"), a.join("x.crt")).unwrap();
    fs::rename(b.join("x.key"), a.join("x.key")).unwrap();
    assert_eq!(names(&mut directories), None);
    assert_eq!(names(&mut directories), None);
    fs::remove_file(a.join("unreadable")).unwrap();
    assert_eq!(names(&mut directories), Some(vec!["b.test"]));
    // A link to nowhere is no file.
    symlink("nowhere", a.join("link")).unwrap();
    assert_eq!(names(&mut directories), None);
}
