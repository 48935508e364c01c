use super::*;
use crate::certs::testing::{Authority, Role};
use std::os::fd::AsRawFd as _;

#[test]
fn a_managers_files_are_read_with_the_headers_that_it_writes() {
    let swarm = Authority::new("cluster1");
    let home = swarm.node("node1", Role::Manager);
    let identity = load(home.path()).unwrap();
    assert_eq!(
        *identity.subject(),
        Subject {
            cluster: "cluster1".into(),
            node: "node1".into(),
            manager: true
        }
    );
    assert_eq!(format!("{identity:?}").matches("PRIVATE").count(), 0);
}

#[test]
fn each_way_to_have_no_identity_has_its_sentence() {
    let empty = tempfile::tempdir().unwrap();
    let error = load(empty.path()).unwrap_err();
    assert!(matches!(error, CertsError::Unreadable { .. }));
    assert!(
        error
            .to_string()
            .contains("mount /var/lib/docker/swarm/certificates")
    );

    let swarm = Authority::new("cluster1");
    let home = swarm.node("node1", Role::Manager);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 17\n\nMIHe\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(home.path().join(KEY), locked).unwrap();
    assert!(matches!(load(home.path()), Err(CertsError::Locked(_))));

    let other = swarm.node("node1", Role::Manager);
    std::fs::copy(other.path().join(KEY), home.path().join(KEY)).unwrap();
    assert!(matches!(
        load(home.path()),
        Err(CertsError::Mismatch { .. })
    ));

    std::fs::write(home.path().join(CERTIFICATE), "").unwrap();
    assert!(matches!(
        load(home.path()),
        Err(CertsError::Unusable { .. })
    ));
}

#[tokio::test]
async fn a_directory_that_was_removed_while_it_was_held_is_told_from_one_without_files() {
    let swarm = Authority::new("cluster1");
    let home = swarm.node("node1", Role::Worker);
    // As by a mount: the directory itself, whatever its path names later.
    let held = std::fs::File::open(home.path()).unwrap();
    let directory = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    let (out, mut certificate) = watch::channel(CertificateState::default());
    let follower = tokio::spawn(follow(directory, Duration::from_millis(10), out));
    let read = certificate.wait_for(|state| state.identity.is_some()).await;
    assert!(!read.unwrap().removed);

    std::fs::remove_file(home.path().join(ROOT)).unwrap();
    let missing = certificate.wait_for(|state| state.problem.is_some()).await;
    assert!(!missing.unwrap().removed, "a file is missing, and may come");

    let path = home.path().to_owned();
    home.close().unwrap();
    std::fs::create_dir(&path).unwrap();
    swarm.write(&path, "node1", Role::Worker);
    let removed = certificate.wait_for(|state| state.removed).await;
    let removed = removed.unwrap().clone();
    assert!(removed.identity.is_some(), "the last one stays");
    assert!(removed.problem.unwrap().contains("was removed"));
    follower.abort();
    std::fs::remove_dir_all(path).unwrap();
}

#[tokio::test]
async fn a_renewal_written_in_steps_is_taken_when_it_is_whole() {
    let swarm = Authority::new("cluster1");
    let home = swarm.node("node1", Role::Worker);
    let (out, mut certificate) = watch::channel(CertificateState::default());
    let follower = tokio::spawn(follow(
        home.path().to_owned(),
        Duration::from_millis(10),
        out,
    ));
    certificate
        .wait_for(|s| s.identity.as_ref().is_some_and(|i| !i.subject().manager))
        .await
        .unwrap();

    let renewed = swarm.node("node1", Role::Manager);
    std::fs::copy(renewed.path().join(KEY), home.path().join(KEY)).unwrap();
    let halfway = certificate
        .wait_for(|s| s.problem.is_some())
        .await
        .unwrap()
        .clone();
    assert!(
        !halfway.identity.unwrap().subject().manager,
        "the old one stays"
    );
    std::fs::copy(
        renewed.path().join(CERTIFICATE),
        home.path().join(CERTIFICATE),
    )
    .unwrap();
    let whole = certificate
        .wait_for(|s| s.problem.is_none())
        .await
        .unwrap()
        .clone();
    assert!(whole.identity.unwrap().subject().manager);
    follower.abort();
}
