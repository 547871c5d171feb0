//! The version of the interface.

/// A version of this library's interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApiVersion {
    /// Changes when something is taken away.
    pub major: u16,
    /// Changes when something is added.
    pub minor: u16,
}

impl ApiVersion {
    /// The version this library has.
    pub const CURRENT: Self = Self { major: 0, minor: 1 };

    /// True if a program written for `wanted` runs on this library.
    pub const fn supports(self, wanted: Self) -> bool {
        self.major == wanted.major && self.minor >= wanted.minor
    }
}
