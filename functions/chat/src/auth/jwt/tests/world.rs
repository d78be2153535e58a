//! An issuer with keys of all types.

use super::super::{Refusal, Verifier};
use super::support::{Issuer, TestKey};

const RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

/// An issuer with a key of each type, and its verifier.
pub(super) struct World {
    pub(super) rsa: TestKey,
    pub(super) p256: TestKey,
    pub(super) p384: TestKey,
    pub(super) edwards: TestKey,
    pub(super) issuer: Issuer,
    pub(super) verifier: Verifier,
}

impl World {
    pub(super) async fn new() -> Self {
        let rsa = TestKey::rsa("rsa");
        let (p256, p384) = (TestKey::p256("p256"), TestKey::p384("p384"));
        let edwards = TestKey::edwards("edwards");
        let issuer = Issuer::start(&[&rsa, &p256, &p384, &edwards]).await;
        let verifier = issuer.verifier();
        Self {
            rsa,
            p256,
            p384,
            edwards,
            issuer,
            verifier,
        }
    }

    /// Each key with its algorithms.
    pub(super) fn keys(&self) -> [(&TestKey, &'static [&'static str]); 4] {
        [
            (&self.rsa, &RSA),
            (&self.p256, &["ES256"]),
            (&self.p384, &["ES384"]),
            (&self.edwards, &["EdDSA", "Ed25519"]),
        ]
    }

    pub(super) async fn refusal(&self, token: &str) -> Refusal {
        self.verifier.verify(token).await.expect_err(token)
    }
}
