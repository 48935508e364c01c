//! Certificates to and from their protobuf form.

use crate::certificates::{Certificate, Certificates};
use crate::proto;

/// The protobuf form.
pub(super) fn proto(told: Certificates) -> proto::Certificates {
    let certificates = told.certificates.into_iter();
    let certificates = certificates.map(|it| proto::Certificate {
        file: it.file,
        keys: it.keys,
        names: it.names,
        expires_s: it.expires_s,
    });
    proto::Certificates {
        certificates: certificates.collect(),
        more: told.more,
    }
}

/// The message. What is longer than a router says is cut.
pub(super) fn message(told: proto::Certificates) -> Certificates {
    let certificates = told.certificates.into_iter();
    let certificates = certificates.map(|it| {
        let certificate = Certificate {
            file: it.file,
            keys: it.keys,
            names: it.names,
            expires_s: it.expires_s,
        };
        certificate.cut()
    });
    Certificates {
        certificates: certificates.collect(),
        more: told.more,
    }
}
