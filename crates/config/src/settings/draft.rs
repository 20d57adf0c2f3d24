//! A configuration while it is put together: the file, then the environment, then arguments. It finds all that is wrong in
//! one go, faults of form beside those of content, and tells them in the order in which whoever corrects them meets them.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::config_error::ConfigError;
use runtime::hidden::HIDDEN;

use super::Config;
use super::environment::{ENVIRONMENT, Form, set, unknown_variables, value_of};
use super::file_problems::{self, Faulty, FileText};
use super::secret_files::SecretFile;
use super::setting_sources::{SettingSource, SettingSources, words};

/// What a program is told beside file and environment, and what goes before both.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--tls self-signed`.
    pub has_self_signed_tls: bool,
}

impl Arguments {
    fn apply(&self, config: &mut Config) {
        config.data_dir = self.data_dir.clone().or_else(|| config.data_dir.take());
        config.listen = self.listen.or(config.listen);
        config.tls.self_signed |= self.has_self_signed_tls;
    }

    fn given(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            ("data_dir", "--data-dir", self.data_dir.is_some()),
            ("listen", "--listen", self.listen.is_some()),
            ("tls.self_signed", "--tls", self.has_self_signed_tls),
        ];
        all.into_iter().filter(|(.., is_given)| *is_given).map(|(key, argument, _)| (key, argument)).collect()
    }
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    place: SettingSource,
    text: String,
}

/// All that is wrong with a configuration, in the order of the file; then what variables set, then the rest.
#[derive(Clone, Debug)]
pub struct Faults {
    file: Option<PathBuf>,
    faults: Vec<Fault>,
    /// Whether there may be more that cannot be known yet.
    may_be_more: bool,
}

impl Faults {
    /// A line for each, with its place.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.faults.iter().map(|fault| self.line(fault)).collect();
        if self.may_be_more {
            lines.push("what the settings say is looked at when the file can be read".to_owned());
        }
        lines
    }

    fn line(&self, Fault { place, text }: &Fault) -> String {
        let file = || self.file.as_deref().map_or_else(String::new, |file| file.display().to_string());
        match place {
            // The file itself, which cannot be read.
            SettingSource::Line(0) => text.clone(),
            SettingSource::Line(number) => format!("{}: line {number}: {text}", file()),
            SettingSource::Variable(name) if !text.contains(name.as_str()) => format!("{name}: {text}"),
            SettingSource::Argument(name) if !text.contains(name) => format!("{name}: {text}"),
            SettingSource::Variable(_) | SettingSource::Argument(_) | SettingSource::Nowhere => text.clone(),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "{count} {} in the configuration:", if count == 1 { "fault" } else { "faults" })?;
        self.lines().iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Faults {}

/// A configuration as far as it can be read.
pub struct Draft {
    config: Config,
    /// What it was read from, without what is wrong.
    table: toml::Table,
    file: Option<PathBuf>,
    arguments: Arguments,
    secret_files: Vec<SecretFile>,
    sources: SettingSources,
    faults: Vec<Fault>,
    /// The keys that faults are about.
    faulty: Vec<Faulty>,
    is_readable: bool,
}

impl Draft {
    /// Reads the file, if there is one, then what the environment says, then the arguments. `variables` are all of the
    /// environment, in which unknown ones of Wharf's are looked for.
    pub fn read(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
        variables: impl Iterator<Item = (String, String)>,
        arguments: Arguments,
    ) -> Self {
        let mut draft = Self {
            config: Config::default(),
            table: toml::Table::new(),
            file: file.map(Path::to_owned),
            sources: SettingSources { arguments: arguments.given(), ..SettingSources::default() },
            arguments,
            secret_files: Vec::new(),
            faults: Vec::new(),
            faulty: Vec::new(),
            is_readable: true,
        };
        if let Some(path) = file {
            draft.read_file(path, &environment);
        }
        draft.read_environment(&environment);
        for unknown in unknown_variables(variables) {
            // What was meant is perhaps given as well.
            draft.faulty.extend(unknown.meant_key.filter(|key| !draft.sources.is_given(key)).map(Faulty::from));
            draft.faults.push(Fault { place: SettingSource::Variable(unknown.name), text: unknown.text });
        }
        draft.config = draft.config_of(draft.table.clone()).unwrap_or_default();
        draft
    }

    fn read_file(&mut self, path: &Path, environment: &impl Fn(&str) -> Option<String>) {
        let text = match runtime::files::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.is_readable = false;
                let text = format!("cannot read {}: {error}", path.display());
                self.faults.push(Fault { place: SettingSource::Line(0), text });
                return;
            }
        };
        let is_given = |key: &str| {
            ENVIRONMENT
                .iter()
                .any(|(name, known, _)| *known == key && environment(name).is_some_and(|it| !it.is_empty()))
        };
        let FileText { table, faults, faulty, is_toml, entries } = file_problems::read(&text, &is_given);
        self.is_readable = is_toml;
        self.faults.extend(faults.into_iter().map(|(line, text)| Fault { place: SettingSource::Line(line), text }));
        self.faulty.extend(faulty);
        self.sources.entries = entries;
        self.table = table;
        let holds_secret = self
            .config_of(self.table.clone())
            .is_some_and(|config| toml::to_string(&config).is_ok_and(|text| text.contains(HIDDEN)));
        if holds_secret {
            self.secret_files.push(SecretFile { named_by: "--config".to_owned(), path: path.to_owned() });
        }
    }

    fn read_environment(&mut self, environment: &impl Fn(&str) -> Option<String>) {
        for (name, key, form) in ENVIRONMENT {
            let (value, file) = match value_of(name, environment) {
                Ok(None) => continue,
                Ok(Some(found)) => found,
                Err(ConfigError(text)) => {
                    self.note_variable(name, key, text);
                    continue;
                }
            };
            let set_by = file.as_ref().map_or_else(|| (*name).to_owned(), |file| file.named_by.clone());
            let other = self.sources.variables.iter().find(|(known, _)| known == key).map(|(_, name)| name.clone());
            if let Some(other) = other
                && environment(&other).as_ref() != Some(&value)
            {
                self.note_variable(name, key, format!("{name} and {other} are both set: give one of them"));
                continue;
            }
            let read = form.read(name, &value).map_err(|ConfigError(text)| vec![text]).and_then(|read| {
                let mut table = self.table.clone();
                set(&mut table, key, read);
                table.clone().try_into::<Config>().map(|_| table).map_err(|error| {
                    // A list of tables is as long as a file, and as much can be wrong with it.
                    let faults = match form {
                        Form::Tables | Form::Table => {
                            file_problems::read(&format!("{key} = {value}"), &|_| true).faults
                        }
                        Form::Text | Form::List | Form::Number | Form::Truth => Vec::new(),
                    };
                    if faults.is_empty() {
                        vec![file_problems::said(key, error.message())]
                    } else {
                        faults.into_iter().map(|(_, text)| text).collect()
                    }
                })
            });
            match read {
                Ok(table) => {
                    self.table = table;
                    self.secret_files.extend(file);
                    self.sources.variables.retain(|(known, _)| known != key);
                    self.sources.variables.push((key, set_by));
                }
                Err(texts) => texts.into_iter().for_each(|text| self.note_variable(&set_by, key, text)),
            }
        }
    }

    fn note_variable(&mut self, name: &str, key: &str, text: String) {
        self.faults.push(Fault { place: SettingSource::Variable(name.to_owned()), text });
        self.faulty.push(key.to_owned().into());
    }

    fn config_of(&self, table: toml::Table) -> Option<Config> {
        let mut config: Config = table.try_into().ok()?;
        self.arguments.apply(&mut config);
        config.secret_files.clone_from(&self.secret_files);
        Some(config)
    }

    /// The configuration, if it can be read. What it says may still be wrong.
    pub fn config(self) -> Result<Config, Faults> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.into_faults()) }
    }

    /// The configuration, if nothing is wrong that can be known without starting. `also` is what else goes with it.
    pub fn checked(mut self, also: impl Fn(&Config) -> Vec<String>) -> Result<Config, Faults> {
        let mut table = self.table.clone();
        let mut config = Some(self.config.clone());
        // Some sections tell their first fault alone, so that they are looked at again without it.
        while self.is_readable
            && let Some(looked_at) = config.take()
        {
            let found: Vec<(String, Vec<Option<usize>>)> = looked_at
                .problems()
                .into_iter()
                .chain(also(&looked_at))
                .filter(|text| self.faults.iter().all(|fault| fault.text != *text))
                .map(|text| {
                    let elements = self.told_of(&text);
                    (text, elements)
                })
                .filter(|(_, elements)| !elements.is_empty())
                .collect();
            let mut was_changed = false;
            for (text, elements) in found {
                for key in words(&text) {
                    if remove_value(&mut table, key) {
                        was_changed = true;
                        self.faulty.push(key.to_owned().into());
                    }
                }
                let places: Vec<SettingSource> =
                    elements.into_iter().map(|element| self.sources.of(&text, element)).collect();
                self.faults.extend(places.into_iter().map(|place| Fault { place, text: text.clone() }));
            }
            config = if was_changed { self.config_of(table.clone()) } else { None };
        }
        self.config()
    }

    /// The entries of a list that a fault is told of, or none in particular. It is not told where something else is wrong
    /// with a key that it is about.
    fn told_of(&self, text: &str) -> Vec<Option<usize>> {
        let elements: Vec<Option<usize>> = match self.elements(text) {
            none if none.is_empty() => vec![None],
            several => several.into_iter().map(Some).collect(),
        };
        let is_of =
            |one: &Faulty, element: Option<usize>| element.is_none() || one.element.is_none() || one.element == element;
        let is_faulty = |element: Option<usize>| {
            words(text).any(|word| self.faulty.iter().any(|one| one.key == word && is_of(one, element)))
        };
        elements.into_iter().filter(|element| !is_faulty(*element)).collect()
    }

    /// Which of several entries of a list a fault is about: those that have it alone.
    fn elements(&self, text: &str) -> Vec<usize> {
        let Some(list) = self.sources.list(text) else { return Vec::new() };
        let count = list_of(&mut self.table.clone(), list).map_or(0, |entries| entries.len());
        // With entries left out that are no good, their numbers are others than in the file.
        if count < 2 || count != self.sources.length(list) {
            return Vec::new();
        }
        let has_it = |number: &usize| {
            let mut table = self.table.clone();
            if let Some(entries) = list_of(&mut table, list) {
                let one = entries.remove(*number);
                *entries = vec![one];
            }
            self.config_of(table).is_some_and(|config| config.problems().iter().any(|said| said == text))
        };
        (0..count).filter(has_it).collect()
    }

    fn into_faults(self) -> Faults {
        let mut faults = self.faults;
        faults.sort();
        faults.dedup();
        Faults { file: self.file, faults, may_be_more: !self.is_readable }
    }
}

fn list_of<'t>(table: &'t mut toml::Table, key: &str) -> Option<&'t mut Vec<toml::Value>> {
    let (section, name) = key.rsplit_once('.').map_or((None, key), |(section, name)| (Some(section), name));
    let table = match section {
        None => table,
        Some(section) => section.split('.').try_fold(table, |table, part| table.get_mut(part)?.as_table_mut())?,
    };
    table.get_mut(name)?.as_array_mut()
}

/// Takes out a value of a section, or a list of such values.
fn remove_value(table: &mut toml::Table, key: &str) -> bool {
    let Some((section, name)) = key.rsplit_once('.') else { return false };
    let section = section.split('.').try_fold(table, |table, part| table.get_mut(part)?.as_table_mut());
    let Some(section) = section else { return false };
    let is_value = section.get(name).is_some_and(|value| match value {
        toml::Value::Table(_) => false,
        toml::Value::Array(entries) => !entries.iter().any(toml::Value::is_table),
        _ => true,
    });
    is_value && section.remove(name).is_some()
}
