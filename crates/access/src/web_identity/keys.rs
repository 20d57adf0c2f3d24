//! The public keys of an issuer: a JSON Web Key Set (RFC 7517).

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

/// The most keys of an issuer that are looked at.
const MAX_KEYS: usize = 256;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kid: String,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    intent: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Keys that signatures can be checked with, by their names.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    algorithms: Vec<String>,
    key: DecodingKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Keys {
    /// Reads a key set; none if it is not one. Keys without a name, for encryption, or of other types are left out.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let set: KeySet = serde_json::from_slice(json).ok()?;
        let keys = set.keys.into_iter().take(MAX_KEYS);
        Some(Self(keys.filter_map(|key| Key::read(serde_json::from_value(key).ok()?)).collect()))
    }

    /// Whether there is none that can be used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of that name that may sign with that algorithm.
    pub fn find(&self, id: &str, algorithm: &str) -> Option<&DecodingKey> {
        self.0
            .iter()
            .find(|key| key.id == id && key.algorithms.iter().any(|known| known == algorithm))
            .map(|key| &key.key)
    }

    /// Whether there is a key of that name.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }
}

impl Key {
    fn read(given: JsonWebKey) -> Option<Self> {
        if given.intent.is_some_and(|intent| intent != "sig") {
            return None;
        }
        // What the type of a key allows, so that no token chooses how a key is used.
        let fitting: &[&str] = match (given.kty.as_str(), given.crv.as_deref()) {
            ("RSA", _) => &["RS256", "RS384", "RS512", "PS256"],
            ("EC", Some("P-256")) => &["ES256"],
            ("EC", Some("P-384")) => &["ES384"],
            _ => return None,
        };
        let key = match given.kty.as_str() {
            "RSA" => DecodingKey::from_rsa_components(&given.n?, &given.e?).ok()?,
            _ => DecodingKey::from_ec_components(&given.x?, &given.y?).ok()?,
        };
        let named = |algorithm: &&&str| given.alg.as_deref().is_none_or(|only| only == **algorithm);
        let algorithms = fitting.iter().filter(named).map(|algorithm| (*algorithm).to_owned()).collect();
        Some(Self { id: given.kid, algorithms, key })
    }
}
