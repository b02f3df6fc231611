//! Sizes as plan files write them: a number with a unit.

use std::fmt;

use bytesize::ByteSize;

use super::scalar::{Scalar, scalar_schema, scalar_serde};

const HOW: &str = "write a number and a unit, such as 512KiB, 64MiB or 1GiB";

/// A number of bytes, written `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Size(u64);

impl Size {
    /// A number of whole mebibytes.
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }
}

impl fmt::Display for Size {
    /// The largest binary unit that divides the size exactly, so that one size has one text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match UNITS
            .iter()
            .find(|(shift, _)| self.0 != 0 && self.0.trailing_zeros() >= *shift)
        {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Scalar for Size {
    const EXPECTED: &'static str = "a size, such as 512KiB, 64MiB or 1GiB";

    fn from_text(text: &str) -> Result<Self, String> {
        if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(format!("{text:?} is no size: {HOW}"));
        }
        match text.parse::<ByteSize>() {
            Ok(size) => Ok(Self(size.as_u64())),
            Err(_) => Err(format!("{text:?} is no size: {HOW}")),
        }
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Err(format!("{number} has no unit: {HOW}"))
    }
}

scalar_serde!(Size);
scalar_schema!(Size, "Size", {
    "type": "string",
    "description": "A number and a unit: 512KiB, 64MiB, 1GiB.",
    "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*([kKmMgGtTpPeE]([iI]?[bB])?|[kKmMgGtTpPeE][iI]|[bB])\\s*$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_size_has_one_text() {
        for (text, canonical) in [
            ("64MiB", "64MiB"),
            ("65536 KiB", "64MiB"),
            ("1GB", "976562.5KiB"),
            ("0B", "0B"),
        ] {
            let size = Size::from_text(text).expect(text);
            let expected = Size::from_text(canonical).expect(canonical);
            assert_eq!(size, expected);
            assert_eq!(Size::from_text(&size.to_string()), Ok(size));
        }
        assert_eq!(Size::mebibytes(64).to_string(), "64MiB");
        for text in ["", "64", "many MiB", "MiB"] {
            assert!(
                Size::from_text(text).expect_err(text).contains("such as"),
                "{text}"
            );
        }
    }
}
