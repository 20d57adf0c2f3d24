//! An issuer of tokens, for tests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The name of its keys.
pub const RSA_KEY: &str = "rsa-1";
pub const EC_KEY: &str = "ec-1";

/// An RSA and an elliptic-curve key.
pub struct TestIssuer {
    rsa: KeyPair,
    ec: EcdsaKeyPair,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl TestIssuer {
    pub fn generate() -> Self {
        let rsa = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { rsa, ec }
    }

    /// The public keys, and some that cannot be used.
    pub fn key_set(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "OKP", "crv": "X25519", "kid": "other", "x": "AAAA"},
            {"kty": "unheard-of", "kid": RSA_KEY},
            {"kid": "encryption", "use": "enc", "kty": "RSA", "n": self.modulus(), "e": "AQAB"},
            {"kid": RSA_KEY, "use": "sig", "kty": "RSA", "n": self.modulus(), "e": "AQAB"},
            {"kid": "rs512-only", "alg": "RS512", "kty": "RSA", "n": self.modulus(), "e": "AQAB"},
            {"kid": EC_KEY, "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
        ]})
    }

    fn modulus(&self) -> String {
        let public = self.rsa.public_key();
        let modulus: &[u8] = public.modulus().big_endian_without_leading_zero();
        encode(modulus)
    }

    /// The RSA key's public half as DER, which an attacker may try as the secret of an HMAC.
    pub fn public_der(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        let der: PublicKeyX509Der<'_> = self.rsa.public_key().as_der().expect("a key");
        der.as_ref().to_vec()
    }

    /// A token as it should be.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "RS256", "kid": RSA_KEY, "typ": "JWT"}), claims)
    }

    /// A token with another header; signed as that says, if we can.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = match header["alg"].as_str() {
            Some("RS256") => self.sign_rsa(&RSA_PKCS1_SHA256, signed.as_bytes()),
            Some("PS256") => self.sign_rsa(&RSA_PSS_SHA256, signed.as_bytes()),
            Some("ES256") => {
                let signature = self.ec.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
                signature.as_ref().to_vec()
            }
            Some("HS256") => {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &self.public_der());
                aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{signed}.{}", encode(&signature))
    }

    fn sign_rsa(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("signed");
        signature
    }
}
