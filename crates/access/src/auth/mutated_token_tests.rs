//! What holds something sealed, changed at random: registry tokens, session tokens, passwords of robots and paths of layers. What
//! was given is taken, and nothing else.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mutate::Form;
use oci::Digest;
use store::tables::registry_id::RegistryId;

use super::arrival::{Arrival, Origin};
use super::download_url::{self, Grant};
use super::session::{self, NewSession};
use super::{keys, layer_grant, token};
use crate::Access;
use crate::testing::{ACCOUNT, OTHER_ACCOUNT, START_MS, TestAccess, root_key};
use crate::web_identity::SourceConfig;

const ROUNDS: u64 = 4_000;

/// A node, and one of each kind that it has given, as texts.
struct Given {
    node: TestAccess,
    /// Of which the first is a root user's, and the last a robot's that is gone.
    passwords: [String; 3],
    session_key: String,
    session: String,
    download: String,
    layer: String,
}

impl Given {
    async fn new() -> Self {
        let node = TestAccess::new(SourceConfig::default()).await;
        let registry = RegistryId { account: ACCOUNT.parse().expect("an account"), ..node.registry() };
        let owner = node.caller(&root_key(ACCOUNT));
        let new = NewSession {
            identity_id: ACCOUNT.to_owned(),
            account: registry.account,
            name: None,
            is_federated: false,
            issued_at_ms: START_MS,
            expires_at_ms: START_MS + 3_600_000,
            policy: None,
            policy_arns: Vec::new(),
            tags: vec![("team".to_owned(), "a".to_owned())],
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            web_identity: Vec::new(),
            web_identity_provider: None,
        };
        let temporary = session::issue(&node, new);
        let holder = keys::find(&node, &temporary.access_key_id, Some(&temporary.session_token)).expect("its keys");
        let of_session = holder.into_caller(registry.region.clone(), temporary.access_key_id.clone());
        let robot = STANDARD.encode(format!("AWS:{}", token::robot_password(&node, "gone")));
        let repository: oci::RepositoryName = "app".parse().expect("a name");
        let digest = Digest::sha256_of(b"a layer");
        let grant = Grant { registry: registry.clone(), repository: repository.clone(), digest };
        let arrival = Arrival {
            origin: Origin::Elsewhere(OTHER_ACCOUNT.parse().expect("an account"), None),
            registry,
            repository,
        };
        let after = |path: String, prefix: &str| path.strip_prefix(prefix).expect("its prefix").to_owned();
        Self {
            passwords: [
                token::issue(&node, &owner, owner.account).0,
                token::issue(&node, &of_session, owner.account).0,
                robot,
            ],
            session_key: temporary.access_key_id,
            session: temporary.session_token,
            download: after(download_url::issue(&node, &grant), download_url::PATH_PREFIX),
            layer: after(layer_grant::issue(&node, &owner, &arrival, digest), layer_grant::PATH_PREFIX),
            node,
        }
    }

    /// Whether a header has one of the passwords that are good.
    fn is_good(&self, header: &str) -> bool {
        header.split_once(' ').is_some_and(|(_, value)| self.passwords[..2].iter().any(|good| good == value.trim()))
    }

    /// As [`is_good`](Self::is_good), whatever the name of the user is.
    fn holds_good(&self, header: &str) -> bool {
        let password = |text: &str| {
            let clear = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
            Some(clear.split_once(':')?.1.to_owned())
        };
        let given = header.split_once(' ').and_then(|(_, value)| password(value));
        given.is_some_and(|given| self.passwords[..2].iter().any(|good| password(good).as_ref() == Some(&given)))
    }

    /// Tries a header as that of a request.
    fn try_header(&self, header: &str) {
        let is_good = self.is_good(header);
        let is_taken = opens(&self.node, header);
        assert!(is_good || !is_taken);
        // It may have been opened before, which must change nothing.
        assert_eq!(opens(&self.node, header), is_taken);
        // Whoever asks knows that it was good once, so that the user name does not matter any more.
        assert!(self.holds_good(header) || token::expired_caller(&self.node, header).is_none());
    }

    /// Tries a text as each of the others.
    fn try_sealed(&self, text: &str) {
        assert_eq!(keys::find(&self.node, &self.session_key, Some(text)).is_ok(), text == self.session);
        assert!(keys::find(&self.node, "ASIAANOTHERKEY000000", Some(text)).is_err());
        assert_eq!(download_url::verify(&self.node, text).is_ok(), text == self.download);
        assert_eq!(layer_grant::verify(&self.node, text).is_some(), text == self.layer);
    }
}

/// Whether what follows the scheme in a header is a token.
fn opens(node: &Access, header: &str) -> bool {
    header.split_once(' ').is_some_and(|(_, shown)| token::verify(node, shown).is_ok())
}

#[tokio::test]
async fn registry_tokens() {
    let given = Given::new().await;
    let headers = given.passwords.each_ref().map(|password| format!("Basic {password}"));
    for header in &headers[..2] {
        assert!(opens(&given.node, header));
    }
    let seeds = headers.each_ref().map(String::as_str);
    mutate::texts(Form::Text, &seeds, ROUNDS, |header| given.try_header(header));
    // What a client makes of the password is encoded anew.
    let clear = given
        .passwords
        .each_ref()
        .map(|password| String::from_utf8(STANDARD.decode(password).expect("base64")).expect("a user and a password"));
    let seeds = clear.each_ref().map(String::as_str);
    mutate::texts(Form::Text, &seeds, ROUNDS, |clear| given.try_header(&format!("Basic {}", STANDARD.encode(clear))));
}

#[tokio::test]
async fn sessions_and_paths() {
    let given = Given::new().await;
    let seeds = [given.session.as_str(), &given.download, &given.layer];
    mutate::texts(Form::Text, &seeds, ROUNDS, |text| given.try_sealed(text));
}

/// What is sealed, changed byte by byte: it is numbers in hexadecimal here, four bytes each.
#[tokio::test]
async fn what_is_sealed() {
    let given = Given::new().await;
    let password = |text: &String| {
        let clear = String::from_utf8(STANDARD.decode(text).expect("base64")).expect("a user and a password");
        let password = clear.strip_prefix("AWS:").expect("the user").trim_start_matches("wharf_").to_owned();
        URL_SAFE_NO_PAD.decode(password).expect("base64")
    };
    let mut sealed: Vec<Vec<u8>> = given.passwords.iter().map(password).collect();
    sealed.push(STANDARD.decode(&given.session).expect("base64"));
    sealed.extend([&given.download, &given.layer].map(|text| URL_SAFE_NO_PAD.decode(text).expect("base64")));
    let numbers = |bytes: &[u8]| {
        let number = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        bytes.chunks(4).map(number).collect::<Vec<_>>().join("-")
    };
    let written: Vec<String> = sealed.iter().map(|bytes| numbers(bytes)).collect();
    let seeds: Vec<&str> = written.iter().map(String::as_str).collect();
    let reached = std::cell::RefCell::new(BTreeSet::new());
    mutate::texts(Form::Text, &seeds, ROUNDS, |text| {
        let digits: Vec<u8> = text.chars().filter_map(|digit| Some(digit.to_digit(16)? as u8)).collect();
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect();
        reached.borrow_mut().insert(bytes.first().copied());
        for prefix in ["", "wharf_"] {
            let password = format!("AWS:{prefix}{}", URL_SAFE_NO_PAD.encode(&bytes));
            given.try_header(&format!("Basic {}", STANDARD.encode(password)));
        }
        given.try_sealed(&STANDARD.encode(&bytes));
        given.try_sealed(&URL_SAFE_NO_PAD.encode(&bytes));
    });
    assert!(reached.borrow().len() > 10, "{reached:?}");
}
