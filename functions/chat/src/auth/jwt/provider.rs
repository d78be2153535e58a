//! The cryptography of `jsonwebtoken`, on ring: TLS brings ring anyway, and its other providers are a second library of 97 s of C
//! (`aws-lc`) or of 40 crates (`RustCrypto`). Signs with shared secrets only: Baton has no private keys.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signer(*algorithm, key),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    // For thumbprints and for public keys of private ones, which nothing here needs.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        compute_digest: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
};

/// Makes it the provider of this process. `jsonwebtoken` panics without one.
pub(super) fn install() {
    // An error says that there is one already: this one, installed by an earlier verifier.
    let _already = PROVIDER.install_default();
}

enum Key {
    Secret(hmac::Key),
    Rsa {
        parameters: &'static RsaParameters,
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Point(UnparsedPublicKey<Vec<u8>>),
}

struct Signature {
    algorithm: Algorithm,
    key: Key,
}

/// What ring needs for an algorithm.
enum Means {
    Secret(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

fn means(algorithm: Algorithm) -> Result<Means> {
    Ok(match algorithm {
        Algorithm::HS256 => Means::Secret(hmac::HMAC_SHA256),
        Algorithm::HS384 => Means::Secret(hmac::HMAC_SHA384),
        Algorithm::HS512 => Means::Secret(hmac::HMAC_SHA512),
        Algorithm::RS256 => Means::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Means::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Means::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Means::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Means::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Means::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Means::Point(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Means::Point(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Means::Point(&ED25519),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    })
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let key = match (means(algorithm)?, key.kind()) {
        (Means::Secret(hash), DecodingKeyKind::SecretOrDer(secret)) => {
            Key::Secret(hmac::Key::new(hash, secret))
        }
        (Means::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => Key::Rsa {
            parameters,
            n: n.clone(),
            e: e.clone(),
        },
        (Means::Point(means), DecodingKeyKind::SecretOrDer(point)) => {
            Key::Point(UnparsedPublicKey::new(means, point.clone()))
        }
        (
            Means::Secret(_) | Means::Rsa(_) | Means::Point(_),
            DecodingKeyKind::SecretOrDer(_) | DecodingKeyKind::RsaModulusExponent { .. },
        ) => return Err(ErrorKind::InvalidKeyFormat.into()),
    };
    Ok(Box::new(Signature { algorithm, key }))
}

fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match means(algorithm)? {
        Means::Secret(hash) if key.family() == algorithm.family() => Ok(Box::new(Signature {
            algorithm,
            key: Key::Secret(hmac::Key::new(hash, key.as_bytes())),
        })),
        Means::Secret(_) | Means::Rsa(_) | Means::Point(_) => {
            Err(ErrorKind::UnsupportedAlgorithm.into())
        }
    }
}

impl Verifier<Vec<u8>> for Signature {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), signature::Error> {
        let verified = match &self.key {
            // In constant time.
            Key::Secret(key) => hmac::verify(key, message, signature),
            Key::Rsa { parameters, n, e } => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            Key::Point(key) => key.verify(message, signature),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Signature {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for Signature {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        match &self.key {
            Key::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Key::Rsa { .. } | Key::Point(_) => Err(signature::Error::new()),
        }
    }
}

impl JwtSigner for Signature {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
