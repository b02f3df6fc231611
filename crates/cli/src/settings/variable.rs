//! Settings in environment variables. An empty one counts as not set.

use std::ffi::OsString;

use clap::ValueEnum;
use crossfade_postgres::ConnectionString;

use crate::error::{Code, Failure};

type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// The variables of an environment.
pub(super) struct Variables<'a> {
    lookup: Box<Lookup<'a>>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(lookup: impl Fn(&str) -> Option<OsString> + 'a) -> Self {
        Self {
            lookup: Box::new(lookup),
        }
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Failure> {
        match (self.lookup)(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            // Not shown: it may be a secret.
            Some(Err(_)) => Err(Failure::new(
                Code::SettingsFile,
                format!("{name} is not UTF-8 text"),
            )),
        }
    }

    pub(super) fn url(&self, name: &'static str) -> Result<Option<ConnectionString>, Failure> {
        let text = self.text(name)?;
        Ok(text.map(|text| ConnectionString {
            text: text.into(),
            origin: name,
        }))
    }

    pub(super) fn one_of<T: ValueEnum>(&self, name: &'static str) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        T::from_str(&text, false).map(Some).map_err(|_| {
            let words: Vec<_> = T::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value)
                .map(|value| value.get_name().to_owned())
                .collect();
            let message = format!(
                "{name} is {text:?}, and must be one of {}",
                words.join(", ")
            );
            Failure::new(Code::SettingsFile, message)
        })
    }
}
