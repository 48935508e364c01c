//! Certificates shaped like a Swarm's, for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use std::sync::Arc;
use tempfile::TempDir;

/// A Swarm's root.
pub(crate) struct Authority {
    cluster: String,
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
}

/// OU and first SAN of a node.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// `swarm-manager`
    Manager,
    /// `swarm-worker`
    Worker,
}

impl Authority {
    pub(crate) fn new(cluster: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "swarm-ca");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            cluster: cluster.to_owned(),
            issuer: Arc::new(issuer),
        }
    }

    /// This root under another cluster's name.
    pub(crate) fn renamed(&self, cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            issuer: self.issuer.clone(),
        }
    }

    /// Its own certificate, PEM.
    pub(crate) fn root(&self) -> String {
        self.issuer.pem()
    }

    /// A directory of certificates as on the node `id`.
    pub(crate) fn node(&self, id: &str, role: Role) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        self.write(home.path(), id, role);
        home
    }

    /// A renewal.
    pub(crate) fn write(&self, home: &std::path::Path, id: &str, role: Role) {
        let unit = match role {
            Role::Manager => "swarm-manager",
            Role::Worker => "swarm-worker",
        };
        let mut names = vec![unit.to_owned(), id.to_owned()];
        if let Role::Manager = role {
            names.push("swarm-ca".to_owned());
        }
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, &*self.cluster);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        params.distinguished_name.push(DnType::CommonName, id);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let pair = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&pair, &**self.issuer).unwrap();
        let key = pair.serialize_pem().replacen(
            "-----\n",
            "-----\nkek-version: 0\nraft-dek: EgrmH7kQ=\n\n",
            1,
        );
        std::fs::write(home.join("swarm-node.key"), key).unwrap();
        std::fs::write(home.join("swarm-node.crt"), leaf.pem()).unwrap();
        std::fs::write(home.join("swarm-root-ca.crt"), self.issuer.pem()).unwrap();
    }
}
