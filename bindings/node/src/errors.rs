//! Errors of the library as errors of napi: number and message in the text, of which JavaScript makes its classes.

use peergraph::{Error, ErrorKind};

/// The text of an error: its number in brackets, then the message; and where a system call failed, after zeros, its
/// number, the path and the address, as far as there are any.
pub(crate) fn text(error: &Error) -> String {
    let text = format!("[{}] {}", error.code(), error.message());
    let (number, path, address) = (error.os_error(), error.path(), error.address());
    if number.is_none() && path.is_none() && address.is_none() {
        return text;
    }
    let number = number.map(|number| number.to_string()).unwrap_or_default();
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    format!("{text}\0{number}\0{path}\0{address}")
}

/// An error on its way to JavaScript.
pub(crate) struct Fail(Error);

impl<E: Into<Error>> From<E> for Fail {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Fail> for napi::Error {
    fn from(Fail(error): Fail) -> Self {
        Self::from_reason(text(&error))
    }
}

/// An error for an argument that breaks a rule.
pub(crate) fn invalid(message: &str) -> napi::Error {
    napi::Error::from_reason(format!("[{}] {message}", ErrorKind::InvalidArgument.code()))
}

/// The number, name and description of every kind, for JavaScript to compare its classes with.
#[napi_derive::napi]
pub fn error_kinds() -> Vec<(u32, String)> {
    ErrorKind::ALL.iter().map(|kind| (kind.code(), kind.name().to_owned())).collect()
}
