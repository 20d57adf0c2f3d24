//! Credentials files of NATS: a user's JWT, and the key that signs the server's nonce. Pure.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What proves to a server whose connection it is.
pub struct Signed {
    /// The user's JWT.
    pub jwt: String,
    /// The nonce's signature.
    pub signature: String,
}

/// The two bytes before a user's seed: `S` and `U` in base32 (NATS nkeys).
const SEED_PREFIX: u8 = 18 << 3;
const USER_PREFIX: u8 = 20 << 3;

/// Signs a nonce with what a credentials file holds. Errors show nothing of it.
pub fn sign(file: &str, nonce: &str) -> Result<Signed, String> {
    let jwt = section(file, "NATS USER JWT").ok_or("it has no user's JWT")?;
    let seed = section(file, "USER NKEY SEED").ok_or("it has no user's key")?;
    let seed = user_seed(seed).ok_or("its user's key is damaged")?;
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| "its user's key is no key".to_owned())?;
    let signature = URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes()));
    Ok(Signed { jwt: jwt.to_owned(), signature })
}

/// The line between `-----BEGIN name-----` and its end.
fn section<'f>(file: &'f str, name: &str) -> Option<&'f str> {
    let begin = format!("BEGIN {name}");
    let mut lines = file.lines().map(str::trim).skip_while(|line| !line.contains(&begin)).skip(1);
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
}

/// The 32 bytes of a user's seed, whose text ends with a checksum.
fn user_seed(text: &str) -> Option<[u8; 32]> {
    let bytes = base32(text)?;
    let (content, checksum) = bytes.split_at_checked(34)?;
    let is_user = content[0] & 0xf8 == SEED_PREFIX && ((content[0] & 7) << 5) | (content[1] >> 3) == USER_PREFIX;
    if !is_user || checksum != crc16(content).to_le_bytes() {
        return None;
    }
    content[2..].try_into().ok()
}

/// RFC 4648 base32 without padding.
fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        bits = ((bits << 5) | u32::from(value)) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

    use super::*;

    fn base32_of(bytes: &[u8]) -> String {
        let bits = bytes.iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        bits.as_bytes()
            .chunks(5)
            .map(|chunk| {
                let padded = format!("{:0<5}", std::str::from_utf8(chunk).expect("digits"));
                char::from(letters[usize::from_str_radix(&padded, 2).expect("bits")])
            })
            .collect()
    }

    fn seed_text(prefix: u8, seed: [u8; 32]) -> String {
        let mut bytes = vec![SEED_PREFIX | (prefix >> 5), (prefix & 31) << 3];
        bytes.extend(seed);
        bytes.extend(crc16(&bytes).to_le_bytes());
        base32_of(&bytes)
    }

    fn file(seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\nthe.jwt\n------END NATS USER JWT------\n\n************* IMPORTANT\n\n\
             -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\n"
        )
    }

    #[test]
    fn the_checksum_is_that_of_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_nonce_is_signed() {
        let text = seed_text(USER_PREFIX, [7; 32]);
        assert!(text.starts_with("SU"), "{text}");
        let signed = sign(&file(&text), "nonce").expect("good");
        assert_eq!(signed.jwt, "the.jwt");
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        let signature = URL_SAFE_NO_PAD.decode(signed.signature).expect("base64");
        UnparsedPublicKey::new(&ED25519, key.public_key()).verify(b"nonce", &signature).expect("its signature");
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let good = seed_text(USER_PREFIX, [7; 32]);
        let other = if good.as_bytes()[20] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &good[..20], &good[21..]);
        let account = seed_text(0, [7; 32]);
        for (name, file, cause) in [
            ("empty", String::new(), "no user's JWT"),
            ("no key", file("").replace("BEGIN USER", "BEGIN"), "no user's key"),
            ("changed", file(&changed), "damaged"),
            ("short", file(&good[..40]), "damaged"),
            ("not base32", file("SU01"), "damaged"),
            ("of an account", file(&account), "damaged"),
        ] {
            let error = sign(&file, "nonce").err().expect(name);
            assert!(error.contains(cause), "{name}: {error}");
        }
        assert_ne!(good, changed);
    }
}
