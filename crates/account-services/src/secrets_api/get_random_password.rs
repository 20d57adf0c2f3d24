//! GetRandomPassword: a password that nobody has thought of.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use api::protocols::operation::{Call, Operation};
use runtime::random_text::random_text;
use serde::{Deserialize, Serialize};

use super::constraints::Check;

/// Makes a random password of the kinds of characters that are asked for.
pub struct GetRandomPassword;

const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const DEFAULT_LENGTH: i64 = 32;
const MAX_LENGTH: i64 = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    password_length: Option<i64>,
    exclude_characters: Option<String>,
    exclude_numbers: Option<bool>,
    exclude_punctuation: Option<bool>,
    exclude_uppercase: Option<bool>,
    exclude_lowercase: Option<bool>,
    include_space: Option<bool>,
    require_each_included_type: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    random_password: String,
}

/// The input, validated.
pub struct Checked {
    length: usize,
    /// The characters of each kind; none is empty.
    kinds: Vec<Vec<u8>>,
    requires_each: bool,
}

impl Operation for GetRandomPassword {
    const NAME: &'static str = "GetRandomPassword";
    const ACTION: Action = Action::SecretsManagerGetRandomPassword;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        input.check()
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(_: &Call<'_>, checked: Checked) -> Result<Output, SecretsError> {
        Ok(Output { random_password: checked.password() })
    }
}

impl Input {
    fn check(self) -> Result<Checked, SecretsError> {
        let length = self.password_length.unwrap_or(DEFAULT_LENGTH);
        Check::number("PasswordLength", length, 1, MAX_LENGTH)?;
        let excluded = self.exclude_characters.unwrap_or_default();
        Check::length("ExcludeCharacters", &excluded, 0, 4096)?;
        let kinds = [
            (LOWERCASE, !self.exclude_lowercase.unwrap_or(false)),
            (UPPERCASE, !self.exclude_uppercase.unwrap_or(false)),
            (NUMBERS, !self.exclude_numbers.unwrap_or(false)),
            (PUNCTUATION, !self.exclude_punctuation.unwrap_or(false)),
            (" ", self.include_space.unwrap_or(false)),
        ];
        let left = |text: &str| text.chars().filter(|one| !excluded.contains(*one)).collect::<String>().into_bytes();
        let kinds: Vec<Vec<u8>> = kinds
            .into_iter()
            .filter(|(_, is_included)| *is_included)
            .map(|(text, _)| left(text))
            .filter(|kind| !kind.is_empty())
            .collect();
        if kinds.is_empty() {
            return Err(SecretsError::InvalidRequest("No characters are left to make a password of."));
        }
        let requires_each = self.require_each_included_type.unwrap_or(true);
        let length = usize::try_from(length).unwrap_or(1);
        if requires_each && length < kinds.len() {
            return Err(SecretsError::InvalidRequest("Password length is too short based on the required types."));
        }
        Ok(Checked { length, kinds, requires_each })
    }
}

impl Checked {
    /// Every password of those that have what is required is as likely: one that lacks it is thrown away.
    fn password(&self) -> String {
        let alphabet = self.kinds.concat();
        loop {
            let password = random_text(&alphabet, self.length);
            let has = |kind: &Vec<u8>| password.bytes().any(|byte| kind.contains(&byte));
            if !self.requires_each || self.kinds.iter().all(has) {
                return password;
            }
        }
    }
}
