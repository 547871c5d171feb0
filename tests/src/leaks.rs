//! How a secret would look where it must not be.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64_NOPAD, HEXLOWER};

/// A secret's bytes in every usual spelling as text: hexadecimal digits, base32, base64, and as `Debug` shows bytes.
/// Of the last three only what does not depend on what surrounds it.
pub fn spellings(secret: &[u8]) -> Vec<String> {
    let hex = HEXLOWER.encode(secret);
    let base32 = BASE32_NOPAD.encode(secret);
    let listed: Vec<String> = secret.iter().map(ToString::to_string).collect();
    let listed_hex: Vec<String> = secret.iter().map(|byte| format!("{byte:#04x}")).collect();
    vec![
        hex.to_uppercase(),
        hex,
        base32.to_lowercase(),
        base32,
        BASE64.encode(secret),
        BASE64_NOPAD.encode(secret),
        listed.join(", "),
        listed.join(","),
        listed_hex.join(", "),
        secret.escape_ascii().to_string(),
    ]
}
